import type { Position } from '../../server/protocol.ts'
import type { Fact } from './history.ts'
import { bodyOf } from './payload.ts'
import type { Random } from './random.ts'
import type { Reply, Wire } from './wire.ts'

/**
 * Most sends without an acknowledgement; beyond, `send` refuses. Ten seconds' worth of the usual load:
 * a herd of retries would keep a busy machine from recovering.
 */
const MAX_PENDING = 75
/** Retries of one message are spread over up to this time, in ms, doubling from 50. */
const MAX_SPREAD_MS = 2000

export interface OutboxOptions {
  client: string
  wire: Wire
  random: Random
  /** Share of the sends that go out twice at once, and of those that are sent again later. */
  twice: number
  record(fact: Fact): void
}

/** Sends of one client, repeated under their ids until they are acknowledged. */
export interface Outbox {
  /** Ids without an acknowledgement. */
  readonly pending: readonly string[]
  readonly size: number
  /** Sends a new message, once connected; false where too many wait already. */
  send(room: string, size: number): boolean
  /** A connection is there: everything that waits goes out. */
  connected(): void
  /** What was under way has no answer any more. */
  disconnected(): void
}

interface Pending {
  room: string
  id: string
  inFlight: boolean
  tries: number
}

export function createOutbox({ client, wire, random, twice, record }: OutboxOptions): Outbox {
  const { socket } = wire
  const pending = new Map<string, Pending>()
  let sent = 0

  function transmit(waiting: Pending): void {
    if (!socket.connected) return
    waiting.inFlight = true
    waiting.tries += 1
    const { room, id } = waiting
    const about = { client, room, id }
    const { id: connection } = socket
    record({ type: 'send', ...about })
    wire.request('room:send', { room, id, body: bodyOf(id) }, (reply) => {
      if (reply?.ok) {
        const { position, duplicate } = reply as unknown as {
          position: Position
          duplicate: boolean
        }
        record({ type: 'acked', ...about, position, duplicate })
        pending.delete(id)
        return
      }
      const { code, retryable } = reply?.error ?? { code: 'NO_REPLY', retryable: true }
      record({ type: 'failed', ...about, code, retryable })
      // A repeat of one that is acknowledged needs no further try.
      if (pending.get(id) !== waiting || socket.id !== connection) return
      waiting.inFlight = false
      if (!retryable) pending.delete(id)
      else wire.later(retryMs(reply, random, waiting.tries), () => again(waiting))
    })
  }

  function again(waiting: Pending): void {
    if (!waiting.inFlight && pending.get(waiting.id) === waiting) transmit(waiting)
  }

  return {
    get pending() {
      return [...pending.keys()]
    },
    get size() {
      return pending.size
    },
    send(room, size) {
      if (pending.size >= MAX_PENDING) return false
      sent += 1
      const id = `${client}.${sent}.${size}`
      const waiting = { room, id, inFlight: false, tries: 0 }
      pending.set(id, waiting)
      transmit(waiting)
      if (random.chance(twice)) transmit(waiting)
      if (random.chance(twice)) wire.later(random.int(100, 3000), () => transmit(waiting))
      return true
    },
    connected() {
      for (const waiting of pending.values()) transmit(waiting)
    },
    disconnected() {
      for (const waiting of pending.values()) {
        if (!waiting.inFlight) continue
        waiting.inFlight = false
        const { room, id } = waiting
        record({ type: 'failed', client, room, id, code: 'DISCONNECTED', retryable: true })
      }
    },
  }
}

/** When to ask again, in ms: as the gateway says, and a little later, the more so the more tries. */
export function retryMs(reply: Reply | undefined, random: Random, tries = 1): number {
  const spread = Math.min(50 * 2 ** tries, MAX_SPREAD_MS)
  return (reply?.error?.retryAfterMs ?? 0) + random.int(50, 50 + spread)
}
