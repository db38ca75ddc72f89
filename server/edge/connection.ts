import type { Socket } from 'socket.io'
import type { ConnectionIds } from '../observability/events.ts'
import type { Identity } from '../session/identity.ts'
import type { Account } from './gate.ts'
import type { SocketMember } from './outlet.ts'

/**
 * One connection, from its admission to its end. There may be many thousands that do nothing: what
 * only some need is made when they need it, and functions are shared.
 */
export interface Connection {
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
  /** Replies with messages that are being made, and those that wait for their turn. */
  reading: number
  readers: (() => void)[] | undefined
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

/** Joins and histories of one connection that are worked on at once; the others wait in order. */
const CONCURRENT_READS = 8

/** Lets a bounded number of a connection's reads run at once. */
export async function takeTurn<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  if (connection.reading >= CONCURRENT_READS) {
    await new Promise<void>((resolve) => {
      connection.readers ??= []
      connection.readers.push(resolve)
    })
  } else connection.reading += 1
  try {
    return await work()
  } finally {
    const next = connection.readers?.shift()
    if (next === undefined) {
      connection.reading -= 1
      connection.readers = undefined
    } else next() // takes over this place
  }
}
