import { GatewayError } from '../errors.ts'
import type { Identity } from './identity.ts'

/** What somebody wants to do in a room. `typing` is a `send`, a resume is a `join`. */
export type RoomAction = 'join' | 'send' | 'history' | 'members'

/** Allowed, or the error that the client is answered with. */
export type Verdict = true | GatewayError

/** Who may do what in which room. */
export interface RoomPolicy {
  /**
   * Never throws and never rejects. What cannot be decided is refused: `FORBIDDEN` where the answer is
   * no, `UNAVAILABLE` (retryable) where nobody could be asked.
   */
  may(identity: Identity, action: RoomAction, room: string): Verdict | Promise<Verdict>
}

/**
 * Lets an action pass or throws its refusal. Undefined means that everybody may do everything, which
 * costs nothing; so does, but for the question itself, a policy that needs not ask anybody.
 *
 * @throws GatewayError the verdict
 */
export function permit(
  policy: RoomPolicy | undefined,
  identity: Identity,
  action: RoomAction,
  room: string,
): undefined | Promise<void> {
  if (policy === undefined) return undefined
  const verdict = policy.may(identity, action, room)
  if (verdict === true) return undefined
  if (verdict instanceof GatewayError) throw verdict
  return verdict.then((later) => {
    if (later !== true) throw later
  })
}

/** The refusal that says nothing about the room, not even whether it exists. */
export function forbidden(action: RoomAction): GatewayError {
  return new GatewayError('FORBIDDEN', `room: you may not ${WORDS[action]}`)
}

const WORDS: Readonly<Record<RoomAction, string>> = {
  join: 'join this one',
  send: 'send to this one',
  history: 'read the history of this one',
  members: 'see the members of this one',
}
