import type { Socket } from 'socket.io'
import { GatewayError } from '../errors.ts'
import { permit, type RoomAction, type RoomPolicy } from '../session/policy.ts'
import type { RateLimits, Spender, Spending } from '../session/rates.ts'
import type { Connection } from './connection.ts'

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
  /** What a new connection's spending is counted on; undefined where nothing is limited. */
  open(socket: Pick<Socket, 'id' | 'conn'>, spender: () => Spender): Account | undefined
}

/** Whose limits a connection's requests count for. */
export interface Account {
  readonly spender: Spender
  /** It has sent more bytes than it may: nothing is done for it until then, ms since 1970. */
  overdrawnUntil: number
}

export interface GateDeps {
  /** Undefined: everybody may do everything. */
  policy: RoomPolicy | undefined
  /** Undefined: as much as they like. */
  rates: RateLimits | undefined
  /** A connection that has been refused so often that it is to be sent away. */
  abused(connectionId: string): void
}

const SPENDING: Readonly<Record<RoomAction, Spending>> = {
  join: 'JOINS',
  history: 'JOINS',
  members: 'JOINS',
  send: 'SENDS',
}

export function createGate({ policy, rates, abused }: GateDeps): Gate {
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

  const gate = rates === undefined ? policyAlone() : withRates(rates)
  return gate

  function policyAlone(): Gate {
    return {
      enter,
      allows,
      charge: async () => undefined,
      idle: policy === undefined,
      pass: ({ identity }, action, room) => permit(policy, identity, action, room),
      open: () => undefined,
    }
  }

  function withRates(rates: RateLimits): Gate {
    const metersBytes = rates.limits('BYTES')

    async function refused(id: string): Promise<void> {
      if (await rates.refused(id)) abused(id)
    }

    async function receive(account: Account, id: string, bytes: number): Promise<void> {
      try {
        await rates.spend(account.spender, 'BYTES', bytes)
      } catch (error) {
        const { retryAfterMs = 0 } = error as GatewayError
        account.overdrawnUntil = Date.now() + retryAfterMs
        await refused(id) // also who sends what is no request
      }
    }

    async function charge({ account, socket }: Connection, what: Spending): Promise<void> {
      if (account === undefined) return
      const overdrawnMs = account.overdrawnUntil - Date.now()
      if (overdrawnMs > 0) {
        throw new GatewayError('RATE_LIMITED', 'more bytes than the limit', {
          retryAfterMs: overdrawnMs,
        })
      }
      try {
        await rates.spend(account.spender, what)
      } catch (error) {
        await refused(socket.id)
        throw error
      }
    }

    return {
      enter,
      allows,
      charge: (connection) => charge(connection, 'JOINS'),
      idle: false,
      async pass(connection, action, room) {
        await charge(connection, SPENDING[action])
        await permit(policy, connection.identity, action, room)
      },
      open({ id, conn }, spender) {
        const account = { spender: spender(), overdrawnUntil: 0 }
        if (metersBytes) {
          conn.on('data', (data: string | Buffer) => void receive(account, id, data.length))
        }
        return account
      },
    }
  }
}
