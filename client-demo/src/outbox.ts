import type { Position } from '../../server/protocol.ts'
import { retryDelay } from './backoff.ts'
import type { Connection } from './connection.ts'
import { randomId } from './identity.ts'
import { createStored } from './storage.ts'
import { createTopic } from './topic.ts'
import { failureOf, type RequestFailed } from './wire.ts'

/**
 * sending → stored (a place in the room's log) | repeated (the log had it already: it is there once)
 * | refused (it never will be, and why).
 */
export type SendState =
  | { kind: 'sending'; attempts: number }
  | { kind: 'stored' }
  | { kind: 'repeated' }
  | { kind: 'refused'; reason: string }

export interface Outgoing {
  readonly room: string
  readonly id: string
  readonly body: unknown
  /** When it was written, by this machine's clock; the gateway's time once it is stored. */
  at: number
  /** Where it is stored, as far as we know. */
  position: Position | undefined
  state: SendState
}

/**
 * Messages on their way. Each keeps its id until it is acknowledged, over reconnections and reloads
 * of the tab, so that no retry can store it twice (D2).
 */
export interface Outbox {
  send(room: string, body: unknown): void
  /** Sends the last message written in `room` again, under the same id. False if there is none. */
  repeatLast(room: string): boolean
  discard(id: string): void
  of(room: string): Outgoing[]
  /** The room's log shows this message of ours: it needs no further attempt. */
  seen(room: string, id: string, position: Position, at: number): void
  /** Drops what is settled in `room`: its positions are no longer valid (D6). */
  forgetSettled(room: string): void
  onChange(listener: (room: string) => void): () => void
}

/** What waits here is bounded, as everything is (D8). */
const CAPACITY = 500
const SETTLED_KEPT = 500
const IN_FLIGHT = 100

type Unsent = Pick<Outgoing, 'room' | 'id' | 'body' | 'at'>

const isUnsent = (value: unknown): value is Unsent[] =>
  Array.isArray(value) && value.every((item) => item && typeof item.id === 'string')

export function createOutbox(connection: Connection): Outbox {
  const stored = createStored(() => sessionStorage, 'roomwire.outbox', isUnsent)
  const changes = createTopic<string>()
  const items = new Map<string, Outgoing>()
  const inFlight = new Set<string>()
  let failures = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  let saving = false

  for (const { room, id, body, at } of stored.read() ?? []) {
    items.set(id, { room, id, body, at, position: undefined, state: sending(0) })
  }
  connection.onReady(() => {
    clearTimeout(retry)
    retry = undefined
    failures = 0
    // The rooms ask first for what they missed; then goes out what waits here.
    queueMicrotask(flush)
  })

  const isWaiting = (item: Outgoing) => item.state.kind === 'sending'

  function changed(item: Outgoing): void {
    if (!saving) {
      saving = true
      queueMicrotask(() => {
        saving = false
        stored.write([...items.values()].filter(isWaiting).map(unsent))
      })
    }
    changes.publish(item.room)
  }

  function settle(item: Outgoing, state: SendState): void {
    item.state = state
    const settled = [...items.values()].filter((other) => !isWaiting(other))
    for (const old of settled.slice(0, -SETTLED_KEPT)) items.delete(old.id)
    changed(item)
  }

  /** In the order of writing; while a retry is due nothing overtakes it. */
  function flush(): void {
    if (!connection.ready || retry !== undefined) return
    for (const item of items.values()) {
      if (inFlight.size >= IN_FLIGHT) return
      if (isWaiting(item) && !inFlight.has(item.id)) void transmit(item)
    }
  }

  async function transmit(item: Outgoing): Promise<void> {
    const { room, id, body } = item
    inFlight.add(id)
    if (item.state.kind === 'sending') item.state = sending(item.state.attempts + 1)
    try {
      const reply = await connection.request('room:send', { room, id, body })
      failures = 0
      item.position = reply.position
      item.at = reply.at
      settle(item, { kind: reply.duplicate ? 'repeated' : 'stored' })
    } catch (thrown) {
      failed(item, failureOf(thrown))
    } finally {
      inFlight.delete(id)
      flush()
    }
  }

  function failed(item: Outgoing, failure: RequestFailed): void {
    if (!isWaiting(item)) return // seen in the log meanwhile
    if (!failure.retryable) {
      settle(item, { kind: 'refused', reason: failure.message })
      return
    }
    if (connection.ready && retry === undefined) {
      retry = setTimeout(
        () => {
          retry = undefined
          flush()
        },
        retryDelay(failures, failure.retryAfterMs),
      )
      failures += 1
    }
    changed(item)
  }

  return {
    send(room, body) {
      const item: Outgoing = {
        room,
        id: randomId(),
        body,
        at: Date.now(),
        position: undefined,
        state: sending(0),
      }
      items.set(item.id, item)
      if ([...items.values()].filter(isWaiting).length > CAPACITY) {
        settle(item, { kind: 'refused', reason: 'too many messages are waiting to be sent' })
        return
      }
      changed(item)
      flush()
    },
    repeatLast(room) {
      const last = [...items.values()]
        .filter((item) => item.room === room && item.state.kind !== 'refused')
        .at(-1)
      if (!last) return false
      if (!isWaiting(last)) last.state = sending(0)
      changed(last)
      flush()
      return true
    },
    discard(id) {
      const item = items.get(id)
      if (item && items.delete(id)) changed(item)
    },
    of: (room) => [...items.values()].filter((item) => item.room === room),
    seen(room, id, position, at) {
      const item = items.get(id)
      if (item?.room !== room || item.position) return
      item.position = position
      item.at = at
      if (isWaiting(item)) settle(item, { kind: 'stored' })
    },
    forgetSettled(room) {
      for (const item of items.values()) {
        if (item.room !== room) continue
        if (isWaiting(item)) item.position = undefined
        else items.delete(item.id)
      }
    },
    onChange: changes.subscribe,
  }
}

function sending(attempts: number): SendState {
  return { kind: 'sending', attempts }
}

function unsent({ room, id, body, at }: Outgoing): Unsent {
  return { room, id, body, at }
}
