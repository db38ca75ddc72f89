import type { Client, Room } from '../../client/connect.ts'
import { createDeliveries, type Deliveries } from './deliveries.ts'
import { createLabels, type Labels } from './labels.ts'
import { createRoster, type Roster } from './roster.ts'
import { createTopic } from './topic.ts'
import { createTyping, type Typing } from './typing.ts'

/** What the last return to this room brought back. */
export type Recovery = { kind: 'resumed'; messages: number } | { kind: 'reset' }

/** A remark that stands in the history after the message at `after`. */
export interface Note {
  key: string
  after: number
  recovery: Recovery
}

/** A room as this page shows it: the client's room, and what a reader wants to know besides. */
export interface OpenRoom {
  readonly name: string
  readonly room: Room
  readonly typing: Typing
  readonly roster: Roster
  readonly labels: Labels
  readonly deliveries: Deliveries
  readonly notes: readonly Note[]
  readonly recovery: Recovery | undefined
  /** Whether there is something before the first message here, and what became of asking. */
  readonly earlier: 'none' | 'more' | 'loading' | 'failed' | 'full'
  /** Messages of others since `markRead`. */
  readonly unread: number
  /** How often a message that is on its way was tried. */
  attemptsOf(id: string): number
  loadEarlier(): Promise<void>
  markRead(): void
  leave(): void
  onChange(listener: () => void): () => void
}

const PAGE = 50
/** Messages a room shows at most: scrolling back ends here. */
export const KEPT = 10_000
const NOTES_KEPT = 20

export function openRoom(name: string, client: Client): OpenRoom {
  const changes = createTopic<void>()
  const changed = () => changes.publish()
  const room = client.room(name, { history: PAGE, keep: KEPT, presence: true })
  const typing = createTyping(room, changed)
  const roster = createRoster(room, changed)
  const labels = createLabels(name, client.socket, changed)
  const deliveries = createDeliveries(room, client.socket)
  const attempts = new Map<string, number>()
  let notes: Note[] = []
  let noted = 0
  let recovery: Recovery | undefined
  let loading: 'loading' | 'failed' | undefined
  let unread = 0
  let state = room.state

  function note(what: Recovery, after: number): void {
    recovery = what
    noted += 1
    notes = [...notes, { key: `note-${noted}`, after, recovery: what }].slice(-NOTES_KEPT)
    changed()
  }
  const tail = () => room.position?.offset ?? 0

  room.on('message', ({ from }) => {
    typing.stopped(from)
    if (from.id !== client.status.user?.id) unread += 1
  })
  room.on('reset', () => {
    notes = []
    loading = undefined
    note({ kind: 'reset' }, tail())
  })
  room.on('status', ({ id, status }) => {
    if (status.kind === 'sending') attempts.set(id, (attempts.get(id) ?? 0) + 1)
    else if (status.kind !== 'queued') attempts.delete(id)
  })
  room.on('change', () => {
    if (room.state === 'joined' && state !== 'joined') roster.refresh()
    state = room.state
    changed()
  })
  const forgetRecoveries = client.on('recovered', (event) => {
    if (event.room !== name) return
    roster.refresh()
    if (event.missed === undefined) return // it has been reset, and said so
    note({ kind: 'resumed', messages: event.missed }, tail() - event.missed)
  })

  return {
    name,
    room,
    typing,
    roster,
    labels,
    deliveries,
    get notes() {
      return notes
    },
    get recovery() {
      return recovery
    },
    get earlier() {
      if (!room.hasEarlier) return 'none'
      return loading ?? (room.messages.length < KEPT ? 'more' : 'full')
    },
    get unread() {
      return unread
    },
    attemptsOf: (id) => attempts.get(id) ?? 0,
    async loadEarlier() {
      if (loading === 'loading' || !room.hasEarlier || room.messages.length >= KEPT) return
      loading = 'loading'
      changed()
      // The reader decides when to ask again.
      loading = await room.history().then(
        () => undefined,
        () => 'failed' as const,
      )
      changed()
    },
    markRead() {
      if (unread === 0) return
      unread = 0
      changed()
    },
    leave() {
      forgetRecoveries()
      typing.close()
      roster.close()
      labels.close()
      deliveries.close()
      room.leave()
    },
    onChange: changes.subscribe,
  }
}
