import { GatewayError } from '../errors.ts'
import { permit, type RoomAction, type RoomPolicy } from '../session/policy.ts'
import type { RateLimits, Spending } from '../session/rates.ts'
import type { Connection } from './connection.ts'
import type { Intake } from './intake.ts'

/** What every request for a room goes through before anything is done. */
export interface Gate {
  /**
   * Undefined lets it pass at once.
   *
   * @throws GatewayError FORBIDDEN, UNAVAILABLE, RATE_LIMITED; or rejects with it
   */
  pass(connection: Connection, action: RoomAction, room: string): undefined | Promise<void>
  /** The same for a join; says whether what was sent before may be read as well. */
  enter(connection: Connection, room: string): Promise<boolean>
  /** What comes with a join: whether the policy allows it. */
  allows(connection: Connection, action: RoomAction, room: string): Promise<boolean>
  /** For a request that is about no room but makes work; it counts as a join. */
  charge(connection: Connection): Promise<void>
  /** Everybody may do everything, as often as they like: nobody needs to ask. */
  readonly idle: boolean
}

export interface GateDeps {
  /** Undefined: everybody may do everything. */
  policy: RoomPolicy | undefined
  /** Undefined: as much as they like. */
  limits: { rates: RateLimits; intake: Intake } | undefined
}

const SPENDING: Readonly<Record<RoomAction, Spending>> = {
  join: 'JOINS',
  history: 'JOINS',
  members: 'JOINS',
  send: 'SENDS',
}

export function createGate({ policy, limits }: GateDeps): Gate {
  async function allows(
    { identity }: Connection,
    action: RoomAction,
    room: string,
  ): Promise<boolean> {
    const verdict = (await policy?.may(identity, action, room)) ?? true
    if (verdict === true) return true
    if (verdict.code === 'FORBIDDEN') return false
    throw verdict
  }

  async function enter(connection: Connection, room: string): Promise<boolean> {
    await gate.pass(connection, 'join', room)
    return allows(connection, 'history', room)
  }

  const gate = limits === undefined ? policyAlone() : withLimits(limits)
  return gate

  function policyAlone(): Gate {
    return {
      enter,
      allows,
      charge: async () => undefined,
      idle: policy === undefined,
      pass: ({ identity }, action, room) => permit(policy, identity, action, room),
    }
  }

  /** What connections share with others; their own limits have counted it on its arrival. */
  function withLimits({ rates, intake }: NonNullable<GateDeps['limits']>): Gate {
    async function charge({ account }: Connection, what: Spending): Promise<void> {
      if (account === undefined) return
      try {
        await rates.spend(account.spender, what)
      } catch (error) {
        if (error instanceof GatewayError) intake.refused(account, what, error)
        throw error
      }
    }

    return {
      enter,
      allows,
      charge: (connection) => charge(connection, 'JOINS'),
      idle: false,
      pass(connection, action, room) {
        const what = SPENDING[action]
        const allowed = () => permit(policy, connection.identity, action, room)
        return rates.limits(what) ? charge(connection, what).then(allowed) : allowed()
      },
    }
  }
}
