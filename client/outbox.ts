import type { Position, SendReply } from '../server/protocol.ts'
import { LONGEST_TIMER_MS, retryDelay } from './backoff.ts'
import { RoomwireError } from './errors.ts'
import { createLedger } from './ledger.ts'
import type { OutboxStore, StoredEntry } from './outbox-store.ts'
import { randomId } from './random-id.ts'

/**
 * `queued`: waits for its turn or for a connection. `sending`: on its way. `stored`: in the room's
 * log. `refused`: it never will be. `uncertain`: it may be stored or not, and is too old for the
 * gateway to tell a repeat: the user decides (`resend` or `discard`).
 */
export type SendStatus =
  | { readonly kind: 'queued' | 'sending' | 'uncertain' }
  | { readonly kind: 'stored'; readonly sent: Sent }
  | { readonly kind: 'refused'; readonly error: RoomwireError }

/** Where a message is stored. `duplicate`: it had been already, by an earlier attempt. */
export interface Sent {
  readonly id: string
  readonly position: Position
  readonly duplicate: boolean
  /** ms since 1970, by the gateway's clock. */
  readonly at: number
}

/** A message of ours that is on its way; a new object for every change. */
export interface Outgoing {
  readonly room: string
  readonly id: string
  readonly body: unknown
  /** When it was written, ms since 1970 by this machine's clock. */
  readonly at: number
  readonly status: SendStatus
}

/**
 * Resolves when the message is stored, for good (D1); rejects with `RoomwireError` when it is refused,
 * discarded, or the client is closed before. Need not be awaited: no rejection goes unhandled.
 */
export type Sending = Promise<Sent> & {
  readonly id: string
  /** Resolves when it is kept where the client keeps such things: from then on it survives a reload. */
  readonly kept: Promise<void>
}

export interface OutboxDeps {
  /** Sends one attempt; rejects with `RoomwireError`. */
  transmit(room: string, id: string, body: unknown): Promise<SendReply>
  /** Whether attempts make sense; `hurry` is called when they do again. */
  ready(): boolean
  /** Of the gateway, once one was reached. */
  limits(): { maxBodyBytes: number; dedupWindowMs: number } | undefined
  changed(outgoing: Outgoing): void
  /** Nothing can be kept any more: what is sent lives as long as the page. */
  storeFailed(): void
  /** What cannot be sent at once is refused. */
  once: boolean
  maxMessages: number
  maxBytes: number
  now?: () => number
}

/**
 * Messages until they are stored. Each keeps its id over retries, reconnections and reloads, so that
 * none is stored twice (D2); those of a room go one by one, in the order of writing.
 */
export interface Outbox {
  readonly outgoing: readonly Outgoing[]
  send(room: string, body: unknown, id?: string): Sending
  /** Of an uncertain message. */
  resend(room: string, id: string): void
  /** Forgets a message. One that is on its way may be stored all the same. */
  discard(room: string, id: string): void
  /** The room's log holds this message of ours. */
  seen(room: string, sent: Sent): void
  /** Begins, before anything is sent: what the session left behind comes first. */
  open(session: string, store: OutboxStore | undefined): Promise<void>
  /** Who we are: what others wrote stays where it is. `proven`: and so does what nobody signed. */
  identify(user: string | undefined, proven: boolean): void
  /** Waits no longer, neither to be ready nor after failures. */
  hurry(): void
  close(): void
}

interface Entry {
  readonly kept: StoredEntry
  shown: Outgoing
  bytes: number
  /** Left behind by a page before this one. */
  adopted: boolean
  /** As the room's messages show it. */
  inLog: Sent | undefined
  resolve(sent: Sent): void
  reject(error: RoomwireError): void
  sending: Sending
}

/** What a room's messages wait for, one behind the other. */
interface Lane {
  failures: number
  wake: (() => void) | undefined
}

/** Settled messages that are still told of. */
const SETTLED_KEPT = 100
/** How much of the dedup window an attempt may take: the gateway's began when it stored. */
const MARGIN_MS = 10_000
const QUEUED = { kind: 'queued' } as const
const UNCERTAIN = { kind: 'uncertain' } as const

export function createOutbox(deps: OutboxDeps): Outbox {
  const now = deps.now ?? Date.now
  const entries = new Map<string, Entry>()
  const lanes = new Map<string, Lane>()
  const ledger = createLedger(deps.storeFailed)
  let user: string | undefined
  let closed = false

  const find = (room: string, id: string) => entries.get(keyOf({ room, id }))
  const isSettled = ({ shown: { status } }: Entry) => /stored|refused/.test(status.kind)

  function createEntry(kept: StoredEntry, adopted: boolean): Entry {
    const { room, id, text, at } = kept
    // What is shown and sent is what was given, whatever becomes of the object.
    const body = text && JSON.parse(text)
    const entry = {
      kept,
      shown: { room, id, body, at, status: QUEUED },
      bytes: new TextEncoder().encode(text).length,
      adopted,
    } as Partial<Entry>
    const promise = new Promise<Sent>((resolve, reject) =>
      Object.assign(entry, { resolve, reject }),
    )
    promise.catch(() => undefined) // whoever does not wait for it need not
    entry.sending = Object.assign(promise, { id, kept: Promise.resolve() })
    return entry as Entry
  }

  function set(entry: Entry, status: SendStatus): void {
    entry.shown = { ...entry.shown, status }
    deps.changed(entry.shown)
  }

  function enter(entry: Entry): void {
    entries.set(keyOf(entry.kept), entry)
    set(entry, QUEUED)
    start(entry.kept.room)
  }

  function start(room: string): void {
    if (lanes.has(room)) return
    const lane = { failures: 0, wake: undefined }
    lanes.set(room, lane)
    void run(room, lane)
  }

  function forget(entry: Entry): void {
    entries.delete(keyOf(entry.kept))
    deps.changed(entry.shown)
  }

  function store(entry: Entry, sent: Sent): void {
    if (isSettled(entry) || closed) return
    settle(entry, { kind: 'stored', sent })
    entry.resolve(sent)
    if (entry.inLog) forget(entry)
  }

  function refuse(entry: Entry, error: RoomwireError): void {
    if (isSettled(entry) || closed) return
    settle(entry, { kind: 'refused', error })
    entry.reject(error)
  }

  function settle(entry: Entry, status: SendStatus): void {
    ledger.remove(entry.kept)
    set(entry, status)
    const settled = [...entries.values()].filter(isSettled)
    for (const old of settled.slice(0, -SETTLED_KEPT)) entries.delete(keyOf(old.kept))
  }

  const unsettled = () => [...entries.values()].filter((entry) => !isSettled(entry))

  const firstOf = (room: string) =>
    unsettled().find(({ kept, shown }) => kept.room === room && shown.status !== UNCERTAIN)

  /** One message at a time: a later one cannot overtake one that has to be sent again. */
  async function run(room: string, lane: Lane): Promise<void> {
    for (let entry = firstOf(room); entry && !closed; entry = firstOf(room)) {
      if (deps.once || deps.ready()) await attempt(entry, lane)
      else await pause(lane)
    }
    lanes.delete(room)
  }

  async function attempt(entry: Entry, lane: Lane): Promise<void> {
    const { maxBodyBytes = Infinity, dedupWindowMs = 0 } = deps.limits() ?? {}
    // The gateway would end the connection over one that is far too long, again and again.
    if (entry.bytes > maxBodyBytes) {
      const message = `${entry.bytes} of ${maxBodyBytes} bytes`
      return refuse(entry, new RoomwireError('TOO_LARGE', message))
    }
    const certain = entry.kept.doubtAt === undefined
    const age = now() - (entry.kept.doubtAt ?? now())
    // A clock that was set back tells nothing.
    if (age < -MARGIN_MS || age > Math.max(dedupWindowMs - MARGIN_MS, dedupWindowMs * 0.9)) {
      return entry.inLog ? store(entry, entry.inLog) : set(entry, UNCERTAIN)
    }
    if (certain) {
      entry.kept.doubtAt = now()
      await ledger.put(entry.kept) // before it is sent: after a reload nobody could tell
      if (isSettled(entry) || closed) return
    }
    set(entry, { kind: 'sending' })
    try {
      const { room, id } = entry.kept
      const { position, duplicate, at } = await deps.transmit(room, id, entry.shown.body)
      lane.failures = 0
      store(entry, { id, position, duplicate, at })
    } catch (thrown) {
      const error = thrown as RoomwireError
      if (!error.retryable || deps.once) refuse(entry, error)
      if (isSettled(entry) || closed) return
      if (certain && CERTAINLY_NOT.test(error.code)) {
        entry.kept.doubtAt = undefined
        void ledger.put(entry.kept)
      }
      set(entry, QUEUED)
      if (deps.ready()) await pause(lane, retryDelay(lane.failures++, error.retryAfterMs))
    }
  }

  /** Until `hurry` at the latest. */
  function pause(lane: Lane, ms = LONGEST_TIMER_MS): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      lane.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function hurry(): void {
    for (const lane of lanes.values()) {
      lane.failures = 0
      lane.wake?.()
    }
  }

  return {
    get outgoing() {
      return [...entries.values()].map(({ shown }) => shown)
    },
    send(room, body, id = randomId()) {
      const before = find(room, id)
      if (before && !isSettled(before)) return before.sending
      let text = ''
      try {
        text = JSON.stringify(body) ?? ''
      } catch {
        // cyclic, or a BigInt: no JSON
      }
      const entry = createEntry({ session: '', seq: 0, room, id, text, at: now(), user }, false)
      const waiting = [entry, ...unsettled()]
      const bytes = waiting.reduce((sum, each) => sum + each.bytes, 0)
      const error = closed
        ? new RoomwireError('CLOSED', 'closed')
        : text === '' || id.length > 128
          ? new RoomwireError('BAD_REQUEST', text ? 'id: too long' : 'body: must be JSON')
          : waiting.length > deps.maxMessages || bytes > deps.maxBytes
            ? new RoomwireError('OUTBOX_FULL', `${waiting.length - 1} messages wait`, true)
            : undefined
      if (error) {
        entry.reject(error)
        set(entry, { kind: 'refused', error })
      } else {
        Object.assign(entry.sending, { kept: ledger.put(entry.kept) })
        enter(entry)
      }
      return entry.sending
    },
    resend(room, id) {
      const entry = find(room, id)
      if (entry?.shown.status.kind !== 'uncertain') return
      entry.kept.doubtAt = undefined
      entry.kept.user = user
      set(entry, QUEUED)
      start(room)
    },
    discard(room, id) {
      const entry = find(room, id)
      if (!entry) return
      refuse(entry, new RoomwireError('DISCARDED', 'discarded'))
      forget(entry)
    },
    seen(room, sent) {
      const entry = find(room, sent.id)
      if (!entry) return
      entry.inLog = sent
      // Others wait for the acknowledgement: the log alone may promise less (D1, replicas).
      if (entry.shown.status.kind === 'uncertain') store(entry, sent)
      else if (isSettled(entry)) forget(entry)
    },
    async open(session, from) {
      const left = await ledger.open(session, from)
      const written = [...entries]
      entries.clear()
      for (const kept of left) enter(createEntry(kept, true))
      for (const [key, entry] of written) entries.set(key, entry)
    },
    identify(me, proven) {
      user = me
      for (const entry of unsettled()) {
        if (entry.adopted && proven && !entry.kept.user) {
          set(entry, UNCERTAIN)
        } else if ((entry.kept.user ?? me) !== me) {
          // It stays in storage, for whoever wrote it.
          entry.reject(new RoomwireError('CLOSED', 'closed', true))
          forget(entry)
        } else entry.kept.user = me
      }
    },
    hurry,
    close() {
      closed = true
      for (const { reject } of entries.values()) {
        reject(new RoomwireError('CLOSED', 'closed', true))
      }
      hurry()
      ledger.close()
    },
  }
}

/** After these it is certain that nothing was stored. */
const CERTAINLY_NOT = /^(UNAVAILABLE|OVERLOADED|RATE_LIMITED|DRAINING|OFFLINE)$/

function keyOf({ room, id }: { room: string; id: string }): string {
  return JSON.stringify([room, id])
}
