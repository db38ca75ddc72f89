import type { JoinReply, Position, RoomMessage } from '../../server/protocol.ts'
import { retryDelay } from './backoff.ts'
import type { Connection } from './connection.ts'
import type { Outbox, Outgoing } from './outbox.ts'
import { createTimeline } from './timeline.ts'
import { createTopic } from './topic.ts'
import { createTyping, type Typing } from './typing.ts'
import { failureOf } from './wire.ts'

export type RoomState = { kind: 'joining' } | { kind: 'joined' } | { kind: 'refused'; why: string }

/** What the last return to this room brought back. */
export type Recovery = { kind: 'resumed'; messages: number } | { kind: 'reset' }

/** A remark that stands in the history after the message at `after`. */
export interface Note {
  key: string
  after: number
  recovery: Recovery
}

/** One room as this page sees it: joined, kept whole over reconnections, in the room's order. */
export interface RoomSession {
  readonly room: string
  readonly state: RoomState
  readonly messages: readonly RoomMessage[]
  readonly outgoing: Outgoing[]
  readonly notes: readonly Note[]
  readonly position: Position | undefined
  readonly recovery: Recovery | undefined
  /** Whether the log may hold messages before the first one here. */
  readonly earlier: 'none' | 'more' | 'loading'
  /** Messages of others since `markRead`. */
  readonly unread: number
  /** Deliveries dropped because their offset was already here, and holes that had to be fetched. */
  readonly anomalies: { repeats: number; holes: number }
  readonly typing: Typing
  loadEarlier(): Promise<void>
  markRead(): void
  /** Asks again after a refusal. */
  rejoin(): void
  leave(): void
  onChange(listener: () => void): () => void
}

const PAGE = 50
const KEPT = 2_000
const NOTES_KEPT = 20

export function createRoomSession(
  room: string,
  { connection, outbox }: { connection: Connection; outbox: Outbox },
): RoomSession {
  const changes = createTopic<void>()
  const changed = () => changes.publish()
  const timeline = createTimeline(KEPT)
  const typing = createTyping(room, connection, changed)
  const anomalies = { repeats: 0, holes: 0 }
  let state: RoomState = { kind: 'joining' }
  let position: Position | undefined
  let recovery: Recovery | undefined
  let notes: Note[] = []
  let earlier: RoomSession['earlier'] = 'none'
  let unread = 0
  let failures = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  let closed = false
  /** Increases whenever the history is thrown away: what was asked for before is then stale. */
  let generation = 0
  /** While a join is unanswered, events wait: polling may hand them over in one go with the reply. */
  let held: (() => void)[] | undefined

  const inOrder =
    <Event extends { room: string }>(apply: (event: Event) => void) =>
    (event: Event) => {
      if (event.room !== room) return
      if (held) held.push(() => apply(event))
      else apply(event)
    }

  const subscriptions = [
    connection.on('room:message', inOrder(deliver)),
    connection.on(
      'room:reset',
      inOrder((event) => {
        forget(event.position)
        void loadEarlier()
      }),
    ),
    connection.onReady(() => {
      failures = 0
      void join()
    }),
    connection.onStatus(changed),
    outbox.onChange((of) => {
      if (of === room) changed()
    }),
  ]
  void join()

  async function join(): Promise<void> {
    if (closed || held || !connection.ready) return
    clearTimeout(retry)
    if (state.kind === 'refused') state = { kind: 'joining' }
    held = []
    const since = position
    try {
      const reply = await connection.request('room:join', {
        room,
        limit: PAGE,
        ...(since ? { since } : {}),
      })
      if (closed) return
      failures = 0
      state = { kind: 'joined' }
      admit(reply, since)
    } catch (thrown) {
      const failure = failureOf(thrown)
      if (!failure.retryable) {
        state = { kind: 'refused', why: failure.message }
      } else if (connection.ready && !closed) {
        state = { kind: 'joining' }
        retry = setTimeout(() => void join(), retryDelay(failures, failure.retryAfterMs))
        failures += 1
      }
    } finally {
      const waiting = held
      held = undefined
      for (const apply of waiting ?? []) apply()
      changed()
    }
  }

  function admit(reply: JoinReply, since: Position | undefined): void {
    if (since && reply.recovered) {
      note({ kind: 'resumed', messages: reply.messages.length }, since.offset)
    } else if (since) {
      forget(reply.position)
    }
    position = reply.position
    take(timeline.add(reply.messages), since !== undefined)
    if (!since || !reply.recovered) {
      const oldest = timeline.first?.offset ?? reply.position.offset + 1
      earlier = oldest > 1 ? 'more' : 'none'
    }
  }

  /** A live message, after those that were held back for it (D3, D5). */
  function deliver(message: RoomMessage): void {
    if (closed || !position) return
    const here = position
    if (message.epoch === here.epoch && message.offset <= here.offset) {
      anomalies.repeats += 1
      return
    }
    if (message.epoch !== here.epoch || message.offset !== here.offset + 1) {
      // The gateway promises that this does not happen; if it does, ask instead of showing a hole.
      anomalies.holes += 1
      void join()
      return
    }
    position = { epoch: message.epoch, offset: message.offset, at: message.at }
    take(timeline.add([message]), true)
    typing.stopped(message.from)
    changed()
  }

  function take(messages: RoomMessage[], countUnread: boolean): void {
    const me = connection.status.user?.id
    for (const { from, id, epoch, offset, at } of messages) {
      if (from.id === me) outbox.seen(room, id, { epoch, offset, at }, at)
      else if (countUnread) unread += 1
    }
  }

  /** D6: what is here can no longer be vouched for. */
  function forget(next: Position): void {
    generation += 1
    timeline.clear()
    outbox.forgetSettled(room)
    notes = []
    position = next
    earlier = next.offset > 0 ? 'more' : 'none'
    note({ kind: 'reset' }, next.offset)
    changed()
  }

  function note(what: Recovery, after: number): void {
    recovery = what
    const key = `note-${generation}-${Date.now()}-${notes.length}`
    notes = [...notes, { key, after, recovery: what }].slice(-NOTES_KEPT)
  }

  async function loadEarlier(): Promise<void> {
    if (earlier !== 'more' || !position) return
    const asked = generation
    const before = timeline.first?.offset ?? position.offset + 1
    earlier = 'loading'
    changed()
    try {
      const { messages } = await connection.request('room:history', { room, before, limit: PAGE })
      if (asked !== generation) return
      timeline.addEarlier(messages)
      take(messages, false)
      earlier = messages.length > 0 && (timeline.first?.offset ?? 1) > 1 ? 'more' : 'none'
    } catch {
      // The button stays: the visitor decides when to ask again.
      if (asked === generation) earlier = 'more'
    }
    changed()
  }

  return {
    room,
    typing,
    anomalies,
    get state() {
      return state
    },
    get messages() {
      return timeline.messages
    },
    get outgoing() {
      return outbox.of(room)
    },
    get notes() {
      return notes
    },
    get position() {
      return position
    },
    get recovery() {
      return recovery
    },
    get earlier() {
      return earlier
    },
    get unread() {
      return unread
    },
    loadEarlier,
    markRead() {
      if (unread === 0) return
      unread = 0
      changed()
    },
    rejoin: () => void join(),
    leave() {
      closed = true
      clearTimeout(retry)
      for (const unsubscribe of subscriptions) unsubscribe()
      typing.close()
      // Not being connected is having left; a refusal changes nothing for us.
      connection.request('room:leave', { room }).catch(() => undefined)
    },
    onChange: changes.subscribe,
  }
}
