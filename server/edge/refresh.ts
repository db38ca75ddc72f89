import { GatewayError } from '../errors.ts'
import type { RefreshReply, Request } from '../protocol.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { endOf, type Identity } from '../session/identity.ts'
import type { RoomPolicy } from '../session/policy.ts'
import type { Connection } from './connection.ts'
import type { Gate } from './gate.ts'

export interface RefreshDeps {
  /**
   * The same person with a new token.
   *
   * @throws GatewayError UNAUTHORIZED; FORBIDDEN for a token of somebody else
   */
  renew(connection: Connection, token: string): Promise<Identity>
  policy: RoomPolicy | undefined
  gate: Gate
  rooms: Rooms
  leave(connection: Connection, room: string): void
  /** Tells it no more of who comes and goes in a room. */
  unwatch(connection: Connection, room: string): void
  /** A connection has a new token. */
  refreshed(connection: Connection): void
}

/**
 * Puts a new token in the place of a connection's: the same user, with another expiry and perhaps other
 * rights. Rooms that it gives no right to join are left, in the step in which it begins to count.
 */
export function createRefresh(deps: RefreshDeps) {
  const { policy, gate } = deps

  async function may(
    identity: Identity,
    action: 'join' | 'members',
    room: string,
  ): Promise<boolean> {
    const verdict = (await policy?.may(identity, action, room)) ?? true
    if (verdict === true) return true
    if (verdict.code === 'FORBIDDEN') return false
    throw verdict // nobody could be asked: the old token goes on to count, and the client asks again
  }

  type Kept = 'lost' | 'unseen' | 'kept'

  /** What becomes of joined rooms: left, or no longer told who is in them, or as before. */
  async function verdictsFor(
    identity: Identity,
    connection: Connection,
  ): Promise<ReadonlyMap<string, Kept>> {
    const verdicts = new Map<string, Kept>()
    const unknown = () =>
      deps.rooms.roomsOf(connection.member).filter((room) => !verdicts.has(room))
    // What was allowed under the old token meanwhile is admitted first, so that it can be left.
    while (connection.joining !== undefined || unknown().length > 0) {
      await Promise.allSettled(connection.joining?.values() ?? [])
      for (const room of unknown()) {
        const joins = await may(identity, 'join', room)
        const sees = joins && (await may(identity, 'members', room))
        verdicts.set(room, sees ? 'kept' : joins ? 'unseen' : 'lost')
      }
    }
    return verdicts
  }

  return async (
    connection: Connection,
    { token }: Request<'auth:refresh'>,
  ): Promise<RefreshReply> => {
    await gate.charge(connection)
    const identity = await deps.renew(connection, token)
    const verdicts = policy === undefined ? new Map() : await verdictsFor(identity, connection)
    const rooms = (kept: Kept) => [...verdicts.keys()].filter((room) => verdicts.get(room) === kept)
    const lost = rooms('lost')
    if (!connection.socket.connected || connection.leaving) {
      throw new GatewayError('UNAUTHORIZED', 'token: the connection has ended')
    }
    connection.identity = identity
    for (const room of lost) deps.leave(connection, room)
    for (const room of rooms('unseen')) deps.unwatch(connection, room)
    deps.refreshed(connection)
    const expiresAt = endOf(identity) ?? 0
    return lost.length === 0 ? { expiresAt } : { expiresAt, left: lost }
  }
}
