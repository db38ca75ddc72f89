import { once, setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from './connection.ts'
import type { Sockets } from './sockets.ts'

export interface DrainOptions {
  /** How long load balancers have to notice that this instance is not ready, before clients leave. */
  noticeMs: number
  /** At most this long the hand-over takes; few clients need less. */
  periodMs: number
}

/** Pace of a small hand-over: what a period divides among many is not stretched for few. */
const MS_PER_CONNECTION = 20
/** A request that is not answered by then is left to be sent again, elsewhere, with the same id. */
const FINISH_MS = 2000

/**
 * Hands every connection over (D10): one after the other, at an even pace with jitter, so that other
 * instances see a trickle and not a storm. Until its turn a client may send. Ends early when `deadline`
 * aborts.
 */
export async function handOver(
  sockets: Sockets,
  options: DrainOptions,
  deadline: AbortSignal,
): Promise<void> {
  const connections = shuffled(sockets.all())
  if (connections.length === 0) return
  setMaxListeners(0, deadline) // one per connection
  const slot = Math.min(MS_PER_CONNECTION, options.periodMs / connections.length)
  const turns = connections.map((connection, index) => {
    // Anywhere within its slot: even from second to second, without a beat.
    const inMs = Math.round(options.noticeMs + (index + Math.random()) * slot)
    connection.socket.emit('gateway:drain', { reconnectInMs: inMs })
    return { connection, inMs }
  })
  await Promise.all(turns.map(({ connection, inMs }) => part(connection, inMs, sockets, deadline)))
}

async function part(
  connection: Connection,
  inMs: number,
  sockets: Sockets,
  deadline: AbortSignal,
): Promise<void> {
  await pause(inMs, deadline)
  connection.leaving = true
  const end = performance.now() + FINISH_MS
  while (connection.pending > 0 && performance.now() < end && !deadline.aborted) {
    await pause(10, deadline)
  }
  if (connection.socket.connected) {
    sockets.sendAway(connection, { code: 'DRAIN', reconnect: true })
  }
}

/** Settles as `work` does, or resolves at the deadline, whatever becomes of it. */
export async function within(deadline: AbortSignal, work: Promise<unknown>): Promise<void> {
  const late = deadline.aborted ? undefined : once(deadline, 'abort')
  await Promise.race([work, late])
}

/** Sleeps, but not past the deadline. */
async function pause(ms: number, deadline: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: deadline }).catch(() => undefined)
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
