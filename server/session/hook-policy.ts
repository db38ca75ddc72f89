import { GatewayError } from '../errors.ts'
import type { Identity } from './identity.ts'
import { forbidden, type RoomAction, type RoomPolicy } from './policy.ts'

/**
 * An embedding application's word on who may do what. It is asked at every request: answer at once, or
 * from a cache. What it throws refuses the request as `UNAVAILABLE`.
 */
export type Authorize = (
  identity: Identity,
  action: RoomAction,
  room: string,
) => boolean | Promise<boolean>

export function createHookPolicy(
  authorize: Authorize,
  observer: { failed(error: unknown): void },
): RoomPolicy {
  function failed(error: unknown): GatewayError {
    observer.failed(error)
    return new GatewayError('UNAVAILABLE', 'room: it cannot be told now whether you may')
  }

  return {
    may(identity, action, room) {
      // Exactly true: what is merely truthy may be a mistake.
      const verdict = (answer: unknown) => answer === true || forbidden(action)
      try {
        const answer = authorize(identity, action, room)
        if (typeof answer === 'boolean') return verdict(answer)
        return Promise.resolve(answer).then(verdict, failed)
      } catch (error) {
        return failed(error)
      }
    },
  }
}
