import type { Socket } from 'socket.io'
import type { Semaphore } from '../in-turn.ts'
import type { ConnectionIds } from '../observability/events.ts'
import type { Identity } from '../session/identity.ts'
import type { Account } from './intake.ts'
import type { SocketMember } from './outlet.ts'

/**
 * One connection, from its admission to its end. There may be many thousands that do nothing: what
 * only some need is made when they need it, and functions are shared. It is also the semaphore of its
 * replies that carry messages.
 */
export interface Connection extends Semaphore {
  readonly socket: Socket
  /** Replaced by a refresh: the same user, perhaps with other rights. */
  identity: Identity
  readonly member: SocketMember
  readonly ids: ConnectionIds
  /** Undefined where nothing is limited. */
  readonly account: Account | undefined
  /** As metrics count it now. */
  transport: string
  /** Joins under way by room, so that a leave after a join leaves; undefined while there are none. */
  joining: Map<string, Promise<void>> | undefined
  /** Requests not answered yet, and the bytes of their bodies. */
  pending: number
  pendingBytes: number
  /** Requests answered so far. */
  answers: number
  /**
   * Makes a reply that carries messages: a few at a time, in order, and only for a peer that takes
   * them (D8).
   *
   * @throws GatewayError OVERLOADED for one that keeps asking without reading
   */
  read<T>(work: () => Promise<T>): Promise<T>
  /** Bytes that waited for it at the last check of all, and how often they had not become fewer. */
  waiting: number
  stalls: number
  /** Being handed over: nothing new is begun. */
  leaving: boolean
  /** Our reason for its end, where it was us. */
  endedBy: string | undefined
}
