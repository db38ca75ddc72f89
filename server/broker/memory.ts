import { GatewayError } from '../errors.ts'
import {
  type Append,
  type Appended,
  type Claim,
  type Continuity,
  type Entry,
  type LogListener,
  type MessageLog,
  type Page,
  type Query,
  type Tail,
  withinPage,
} from '../rooms/message-log.ts'
import {
  charge,
  FIRST_BYTES,
  type First,
  type MemoryStore,
  ROOM_BYTES,
  type StoredRoom,
  sizeOf,
} from './memory-store.ts'
import type { Retention } from './retention.ts'

const SWEEP_MS = 30_000
/** A room that was only asked about; whoever asks for many names is not kept in mind (D8). */
const EMPTY_TTL_MS = 60_000

/** A message log in this process' memory: the same contract, for as long as the process lives. */
export function createMemoryLog(
  store: MemoryStore,
  retention: Retention,
  options: {
    newEpoch: () => string
    now?: () => number
    /** Something was refused, because the store is full. */
    full?: () => void
  },
): MessageLog & { stop(): void } {
  const now = options.now ?? Date.now
  const subscribed = new Set<string>()
  const self: { subscribed: ReadonlySet<string>; listener: LogListener | undefined } = {
    subscribed,
    listener: undefined,
  }
  store.logs.add(self)

  function roomOf(name: string): StoredRoom {
    let room = store.rooms.get(name)
    if (room === undefined) {
      reserve(ROOM_BYTES)
      room = {
        tail: { epoch: options.newEpoch(), offset: 0, at: 0 },
        entries: [],
        dedup: new Map(),
        contents: new Map(),
        usedAt: now(),
        bytes: 0,
      }
      charge(store, room, ROOM_BYTES)
      store.rooms.set(name, room)
    }
    room.usedAt = now()
    return room
  }

  /** @throws GatewayError UNAVAILABLE where there is no room for so much */
  function reserve(bytes: number): void {
    if (store.bytes + bytes <= store.maxBytes) return
    options.full?.()
    const retryAfterMs = 1000 + Math.round(Math.random() * 4000)
    throw new GatewayError('UNAVAILABLE', 'the memory for rooms is full', { retryAfterMs })
  }

  function listeners(room: string): LogListener[] {
    return [...store.logs].flatMap((log) =>
      log.listener !== undefined && log.subscribed.has(room) ? [log.listener] : [],
    )
  }

  function forgetOld(room: StoredRoom): void {
    const before = room.dedup.size + room.contents.size
    forgetUpTo(now() - retention.dedupWindowMs, room.dedup)
    forgetUpTo(now() - (retention.contentWindowMs ?? 0), room.contents)
    charge(store, room, (room.dedup.size + room.contents.size - before) * FIRST_BYTES)
  }

  function forgetUpTo(oldest: number, firsts: Map<string, First>): void {
    for (const [key, { notedAt }] of firsts) {
      if (notedAt > oldest) break
      firsts.delete(key)
    }
  }

  /** Where it is by now: the epoch may have been renewed. */
  function current({ tail }: StoredRoom, { position }: First): Tail {
    return { ...position, epoch: tail.epoch }
  }

  function append({ room: name, sender, id, content, digest }: Append): Appended {
    const room = roomOf(name)
    forgetOld(room)
    const key = JSON.stringify([sender, id])
    const first = room.dedup.get(key)
    if (first !== undefined) {
      const repeat = first.by === self ? 'retry' : 'cross_instance'
      return { position: current(room, first), duplicate: true, repeat }
    }
    const said = digest === undefined ? undefined : JSON.stringify([sender, digest])
    const same = said === undefined ? undefined : room.contents.get(said)
    if (same !== undefined) {
      reserve(FIRST_BYTES)
      charge(store, room, FIRST_BYTES)
      // Acknowledged under this id too: a retry of it is a repeat also after the window (D2).
      room.dedup.set(key, { position: same.position, by: self, notedAt: now() })
      return { position: current(room, same), duplicate: true, repeat: 'content' }
    }
    // Never back, so that a clock that was set back does not expire ids early.
    const at = Math.max(now(), room.tail.at)
    const entry = { offset: room.tail.offset + 1, at, prevAt: room.tail.at, content }
    const bytes = sizeOf(entry) + FIRST_BYTES * (said === undefined ? 1 : 2)
    reserve(bytes)
    charge(store, room, bytes)
    room.entries.push(entry)
    const trimmed = room.entries.length > retention.logMax ? room.entries.shift() : undefined
    if (trimmed !== undefined) charge(store, room, -sizeOf(trimmed))
    room.tail = { epoch: room.tail.epoch, offset: entry.offset, at }
    const noted = { position: room.tail, by: self, notedAt: at }
    room.dedup.set(key, noted)
    if (said !== undefined) room.contents.set(said, noted)
    for (const listener of listeners(name)) listener.stored(name, room.tail.epoch, entry)
    return { position: room.tail, duplicate: false, prevAt: entry.prevAt }
  }

  function continuity(room: StoredRoom, from: Claim): Continuity {
    if (from.epoch !== room.tail.epoch) return 'foreign'
    if (from.offset > room.tail.offset) return 'broken'
    if (from.offset === 0) return room.entries.length === room.tail.offset ? 'whole' : 'trimmed'
    const floor = room.tail.offset - room.entries.length
    if (from.offset < floor) return 'trimmed'
    const at =
      from.offset === room.tail.offset
        ? room.tail.at
        : (room.entries[from.offset - floor - 1]?.at ?? room.entries[from.offset - floor]?.prevAt)
    return from.at === undefined || from.at === at ? 'whole' : 'broken'
  }

  function read(name: string, query: Query): Page {
    const room = roomOf(name)
    const floor = room.tail.offset - room.entries.length
    const newest = (limit: number) =>
      limit === 0 ? [] : withinPage(room.entries.slice(-limit), true)
    const page = (continuity: Continuity, entries: Entry[]) => ({
      tail: room.tail,
      continuity,
      entries,
    })
    if (query.kind === 'last') return page('whole', newest(query.limit))
    if (query.kind === 'before') {
      const end = Math.max(0, query.offset - floor - 1)
      const start = Math.max(0, end - query.limit)
      return page('whole', withinPage(room.entries.slice(start, end), true))
    }
    const found = continuity(room, query.from)
    const after = found === 'whole' ? room.entries.slice(query.from.offset - floor) : []
    const fitting = withinPage(after.slice(0, query.limit), false)
    if (query.kind === 'after') return page(found, fitting)
    if (found === 'whole' && fitting.length === after.length) return page('whole', after)
    return page(found === 'whole' ? 'trimmed' : found, newest(query.orLast))
  }

  const sweeper = setInterval(() => {
    for (const [name, room] of store.rooms) {
      forgetOld(room)
      const inUse = [...store.logs].some((log) => log.subscribed.has(name))
      const ttlMs = room.tail.offset === 0 ? EMPTY_TTL_MS : retention.logTtlMs
      if (inUse || room.usedAt >= now() - ttlMs) continue
      charge(store, room, -room.bytes)
      store.rooms.delete(name)
    }
  }, SWEEP_MS)
  sweeper.unref()

  return {
    append: async (message) => append(message),
    read: async (name, query) => read(name, query),
    verify: (positions) =>
      Promise.allSettled(
        positions.map(async ({ room, position }) => {
          const { tail, continuity } = read(room, { kind: 'after', from: position, limit: 0 })
          return { tail, continuity }
        }),
      ),
    async renew(name, epoch) {
      const room = roomOf(name)
      if (room.tail.epoch === epoch) {
        room.tail = { ...room.tail, epoch: options.newEpoch() }
        for (const listener of listeners(name)) listener.renewed(name, room.tail)
      }
      return room.tail
    },
    async label(name, { offset, at, labels }) {
      const room = roomOf(name)
      const index = offset - (room.tail.offset - room.entries.length) - 1
      const entry = room.entries[index]
      if (entry === undefined || entry.at !== at) return false
      const labelled = { ...entry, labels }
      charge(store, room, sizeOf(labelled) - sizeOf(entry))
      room.entries[index] = labelled // rings hold the one there was
      for (const listener of listeners(name)) {
        listener.labelled(name, room.tail.epoch, { offset, at, labels })
      }
      return true
    },
    async labels(name, from, to) {
      const { entries } = roomOf(name)
      return entries.flatMap(({ offset, at, labels }) =>
        labels !== undefined && offset >= from && offset <= to ? [{ offset, at, labels }] : [],
      )
    },
    async purge(name) {
      const room = roomOf(name)
      room.tail = { epoch: options.newEpoch(), offset: 0, at: 0 }
      room.entries = []
      room.dedup.clear()
      room.contents.clear()
      charge(store, room, ROOM_BYTES - room.bytes)
      for (const listener of listeners(name)) listener.renewed(name, room.tail)
      return room.tail
    },
    async subscribe(room) {
      subscribed.add(room)
    },
    async unsubscribe(room) {
      subscribed.delete(room)
    },
    listen(listener) {
      self.listener = listener
    },
    stop() {
      clearInterval(sweeper)
      store.logs.delete(self)
    },
  }
}
