import { GatewayError } from '../errors.ts'
import type { RefreshReply, Request } from '../protocol.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Authentication } from '../session/authentication.ts'
import type { Identity } from '../session/identity.ts'
import type { RoomPolicy } from '../session/policy.ts'
import type { Connection } from './connection.ts'
import type { Gate } from './gate.ts'

export interface RefreshDeps {
  authentication: Authentication
  policy: RoomPolicy | undefined
  gate: Gate
  rooms: Rooms
  leave(connection: Connection, room: string): void
  /** A connection has a new token. */
  refreshed(connection: Connection): void
}

/**
 * Puts a new token in the place of a connection's: the same user, with another expiry and perhaps other
 * rights. Rooms that it gives no right to join are left, in the step in which it begins to count.
 */
export function createRefresh(deps: RefreshDeps) {
  const { authentication, policy, gate, rooms } = deps

  async function mayJoin(identity: Identity, room: string): Promise<boolean> {
    const verdict = (await policy?.may(identity, 'join', room)) ?? true
    if (verdict === true) return true
    if (verdict.code === 'FORBIDDEN') return false
    throw verdict // nobody could be asked: the old token goes on to count, and the client asks again
  }

  /** Joined rooms that this identity may not join. */
  async function lostBy(identity: Identity, connection: Connection): Promise<string[]> {
    const verdicts = new Map<string, boolean>()
    const unknown = () => rooms.roomsOf(connection.member).filter((room) => !verdicts.has(room))
    // What was allowed under the old token meanwhile is admitted first, so that it can be left.
    while (connection.joining !== undefined || unknown().length > 0) {
      await Promise.allSettled(connection.joining?.values() ?? [])
      for (const room of unknown()) verdicts.set(room, await mayJoin(identity, room))
    }
    return [...verdicts].flatMap(([room, allowed]) => (allowed ? [] : [room]))
  }

  return async (
    connection: Connection,
    { token }: Request<'auth:refresh'>,
  ): Promise<RefreshReply> => {
    await gate.charge(connection)
    const identity = await authentication.refresh(connection.identity, token)
    const lost = policy === undefined ? [] : await lostBy(identity, connection)
    if (!connection.socket.connected || connection.leaving) {
      throw new GatewayError('UNAUTHORIZED', 'token: the connection has ended')
    }
    connection.identity = identity
    for (const room of lost) deps.leave(connection, room)
    deps.refreshed(connection)
    const expiresAt = identity.token?.expiresAt ?? 0
    return lost.length === 0 ? { expiresAt } : { expiresAt, left: lost }
  }
}
