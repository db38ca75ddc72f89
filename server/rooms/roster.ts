import { GatewayError } from '../errors.ts'
import type { MembersReply, PresenceEvent, Sender } from '../protocol.ts'
import { createAttendance } from './attendance.ts'
import type { Member } from './local-room.ts'
import { createOccupancy, type OccupancyChange, type OccupancyStore } from './occupancy.ts'
import type { Lease, PresenceStore, Present, RoomPresence } from './presence.ts'
import { createPresenceWriter } from './presence-writer.ts'
import { createWatchedRooms } from './watched-rooms.ts'

/** A member of rooms as others know them. */
export interface Attendant extends Member {
  readonly user: Sender
}

/**
 * Who is in the rooms, over all instances: per user, whatever connections they have.
 *
 * Instances hold leases and write their users room by room, in batches; nothing is done for each
 * connection. Rooms are watched for coming and going only while somebody here asked for it.
 */
export interface Roster {
  entered(member: Attendant, room: string): void
  /** @param mayReturn the connection broke, rather than leaving the room */
  left(member: Attendant, room: string, mayReturn: boolean): void
  /** Tells this member of others who come and go, from now on until it leaves. */
  watch(member: Attendant, room: string): void
  unwatch(member: Attendant, room: string): void
  /**
   * Answers within a second: without the store from what is known here, naming the instances that are
   * missing.
   *
   * @throws GatewayError UNAVAILABLE before the store has answered once
   */
  members(room: string, limit: number): Promise<MembersReply>
  /** Those who were here have the grace period to come to other instances. Half a second at most. */
  stop(): Promise<void>
}

export interface RosterOptions {
  /** How long users stay who may return. */
  graceMs: number
  /** A dead instance's users are gone after this long, and a second. */
  leaseMs: number
}

export interface RosterDeps {
  store: PresenceStore
  options: RosterOptions
  tell(member: Attendant, event: PresenceEvent): void
  /** Who wants to hear of rooms' first and last users. */
  occupancy?: {
    store: OccupancyStore
    changed(room: string, change: OccupancyChange): void
  }
}

const MAX_BEAT_MS = 500
/** Who has missed this many beats does not answer. */
const SILENT_BEATS = 4
const READ_MS = 700
const END_MS = 500
/** How long instances wait between two attempts to reach the store, at most. */
const RETURN_MS = 5000
/** What was read is good for others who ask at the same time. */
const FRESH_MS = 250
/** Beyond this many users of a room, some of them are read rather than all. */
const MOST_READ = 2000

export function createRoster(deps: RosterDeps): Roster {
  const { store, options } = deps
  const beatMs = Math.min(MAX_BEAT_MS, options.leaseMs / 4)
  /** Lasts until after the next renewal should have come: a lease is never shorter than promised. */
  const termMs = options.leaseMs + beatMs
  /** By boot, with when they were looked at. */
  const others = new Map<string, Lease & { seenAt: number }>()
  let lookedAt = Number.NEGATIVE_INFINITY
  /** Others are given until then to come back to the store, after it was away. */
  let settledAt = 0
  /** When instances wrote last: one may be heard before its lease is seen. */
  const heard = new Map<string, number>()
  let leased = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let beating: Promise<void> | undefined
  const reads = new Map<string, { at: number; limit: number; found: Promise<RoomPresence> }>()

  const attendance = createAttendance({
    graceMs: options.graceMs,
    changed: (room) => {
      writer.changed(room)
      beatSoon(0)
    },
  })
  const writer = createPresenceWriter({
    store,
    attendance,
    leased: holdLease,
    wrote: (room, occupied) => occupancy?.wrote(room, occupied),
  })
  /** As of now: what the store has lost is not told as if people had left. */
  async function settledBoots(): Promise<string[] | undefined> {
    await renew()
    return performance.now() < settledAt ? undefined : knownBoots()
  }

  const occupancy =
    deps.occupancy &&
    createOccupancy({
      ...deps.occupancy,
      boots: settledBoots,
    })
  const watched = createWatchedRooms({
    store,
    boots: settledBoots,
    own: attendance.present,
    tell(room, watchers, events) {
      for (const { event, user } of events) {
        for (const member of watchers as ReadonlySet<Attendant>) {
          // Nobody needs to be told of themselves.
          if (member.user.id !== user.id) deps.tell(member, { room, event, user })
        }
      }
    },
  })

  store.listen({
    changed(room, boot, change) {
      if (!others.has(boot) && !heard.has(boot) && boot !== store.boot) {
        renew().catch(() => undefined) // whoever this is has a name
      }
      heard.set(boot, performance.now())
      watched.changed(room, boot, change)
    },
    unclear: watched.read,
    restored() {
      writer.rewriteAll()
      watched.readAll()
    },
  })

  async function renew(): Promise<void> {
    beating ??= (async () => {
      const asked = performance.now()
      const attending = attendance.size > 0
      const looked = await store.leases(attending ? termMs : undefined)
      // The store was away, or lost what it had: leases ended of which nobody died.
      const away = performance.now() - lookedAt > SILENT_BEATS * beatMs
      if (leased && (away || !looked.held)) {
        settledAt = performance.now() + options.leaseMs + RETURN_MS
      }
      if (attending && !looked.held) {
        occupancy?.lost()
        writer.rewriteAll()
      }
      occupancy?.ended(looked.ended)
      leased = attending
      lookedAt = performance.now()
      if (lookedAt >= settledAt) others.clear()
      for (const lease of looked.others) others.set(lease.boot, { ...lease, seenAt: lookedAt })
      for (const [boot, at] of heard) if (at < asked) heard.delete(boot)
      watched.keepOnly(new Set(knownBoots()))
    })().finally(() => {
      beating = undefined
    })
    return beating
  }

  /** What is written without a lease does not count. */
  async function holdLease(): Promise<void> {
    const held = () => leased && performance.now() - lookedAt < options.leaseMs / 2
    if (!held()) await renew()
    if (!held()) await renew() // the one under way had begun before there was anybody
  }

  function beatSoon(inMs: number): void {
    if (timer !== undefined || stopped) return
    timer = setTimeout(() => {
      void renew()
        .catch(() => undefined) // the store reports its trouble itself
        .then(() => {
          timer = undefined
          // Whoever tells of others' rooms must notice that they died.
          if (attendance.size === 0 && watched.size === 0 && !occupancy) return
          // A lease that ends before the next beat is looked at when it does.
          const ends =
            watched.size === 0 ? [] : [...others.values()].map(({ remainingMs }) => remainingMs + 5)
          beatSoon(Math.max(20, Math.min(beatMs, ...ends)))
        })
    }, inMs)
    timer.unref()
  }

  function knownBoots(): string[] {
    return [...new Set([store.boot, ...others.keys(), ...heard.keys()])]
  }

  async function currentBoots(): Promise<string[]> {
    if (performance.now() - lookedAt > 2 * beatMs) await renew()
    return knownBoots()
  }

  function read(room: string, limit: number): Promise<RoomPresence> {
    const known = reads.get(room)
    const now = performance.now()
    if (known !== undefined && now - known.at < FRESH_MS && known.limit >= limit) return known.found
    const found = currentBoots().then((boots) =>
      store.read(room, boots, { most: MOST_READ, some: limit }),
    )
    const entry = { at: now, limit, found }
    reads.set(room, entry)
    setTimeout(() => {
      if (reads.get(room) === entry) reads.delete(room)
    }, FRESH_MS).unref()
    return found
  }

  /** Each user once, with the earliest time; one's own users are known best here. */
  function listOf(found: RoomPresence, room: string): Map<string, Present> {
    const users = new Map<string, Present>()
    const own = { boot: store.boot, present: attendance.present(room) }
    for (const { present } of [...found.users.filter(({ boot }) => boot !== own.boot), own]) {
      for (const each of present) {
        const known = users.get(each.user.id)
        if (known === undefined || each.since < known.since) users.set(each.user.id, each)
      }
    }
    return users
  }

  function replyOf(
    found: RoomPresence,
    room: string,
    limit: number,
    missing: readonly Lease[],
  ): MembersReply {
    const users = listOf(found, room)
    const members = [...users.values()]
      .sort((a, b) => a.since - b.since || (a.user.id < b.user.id ? -1 : 1))
      .slice(0, limit)
    const names = [...new Set(missing.map(({ instance }) => instance))].filter(Boolean).sort()
    return {
      count: found.whole ? users.size : Math.max(found.count, users.size),
      members,
      ...(names.length > 0 && { missing: names }),
    }
  }

  if (occupancy !== undefined) beatSoon(0)

  return {
    entered({ user }, room) {
      attendance.entered(room, user)
    },
    left(member, room, mayReturn) {
      watched.unwatch(room, member)
      attendance.left(room, member.user, mayReturn)
    },
    unwatch: (member, room) => watched.unwatch(room, member),
    watch(member, room) {
      watched.watch(room, member)
      beatSoon(0)
    },
    async members(room, limit) {
      try {
        const found = await within(READ_MS, read(room, limit))
        const now = performance.now()
        const silent = [...others.values()].filter(
          ({ ageMs, seenAt }) => ageMs + now - seenAt > SILENT_BEATS * beatMs,
        )
        return replyOf(found, room, limit, silent)
      } catch (error) {
        reads.delete(room)
        if (lookedAt === Number.NEGATIVE_INFINITY) throw error
        // Everybody else is missing; what is here is known all the same.
        return replyOf({ whole: true, count: 0, users: [] }, room, limit, [...others.values()])
      }
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      attendance.stop()
      writer.stop()
      occupancy?.stop()
      watched.stop()
      if (leased) await within(END_MS, store.end(options.graceMs)).catch(() => undefined)
    },
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const error = new GatewayError('UNAVAILABLE', 'the store does not answer', {
      retryAfterMs: 1000,
    })
    timer = setTimeout(() => reject(error), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
