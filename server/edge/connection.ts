import type { Socket } from 'socket.io'
import type { ConnectionIds } from '../observability/events.ts'
import type { Identity } from '../session/identity.ts'
import type { SocketMember } from './outlet.ts'

/** One connection, from its admission to its end. */
export interface Connection {
  readonly socket: Socket
  readonly identity: Identity
  readonly member: SocketMember
  readonly ids: ConnectionIds
  /** Joins under way by room, so that a leave after a join leaves. */
  readonly joining: Map<string, Promise<void>>
  /** Requests not answered yet, and the bytes of their bodies. */
  pending: number
  pendingBytes: number
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

/** Lets a bounded number of pieces of work run at once; the others wait in order. */
export interface Gate {
  run<T>(work: () => Promise<T>): Promise<T>
}

export function createGate(width: number): Gate {
  const queue: (() => void)[] = []
  let running = 0
  return {
    async run(work) {
      if (running >= width) await new Promise<void>((resolve) => queue.push(resolve))
      else running += 1
      try {
        return await work()
      } finally {
        const next = queue.shift()
        if (next === undefined) running -= 1
        else next() // takes over this place
      }
    },
  }
}
