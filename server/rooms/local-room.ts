import { createEarly } from './early.ts'
import type { Entry, Labelled, MessageLog, Tail } from './message-log.ts'
import { createReplica, type Replica, type ReplicaOptions } from './replica.ts'
import type { RingBudget } from './ring.ts'
import { createRoomLabels } from './room-labels.ts'
import { createRoomLifetime, type Lingering } from './room-lifetime.ts'

/** One connection's end of a room; only its identity matters here. */
export interface Member {
  readonly id: string
}

/** Where a room's events go. Calls queue and return; they keep the order they are made in. */
export interface Outlet {
  /** Sends on what is queued for a room: what comes later goes to other members. */
  flush(room: string): void
  /** The same message to every member. */
  message(room: string, members: ReadonlySet<Member>, epoch: string, entry: Entry): void
  /** The labels of a message that members have, after it. */
  labels(room: string, members: ReadonlySet<Member>, epoch: string, labelled: Labelled): void
  /** Tells members that their history no longer holds (D6). */
  reset(room: string, members: ReadonlySet<Member>, position: Tail): void
}

export interface RoomObserver {
  /** Entries that had been missed and were fetched from the log (D4). */
  filled(room: string, entries: number): void
  /** Members were told to forget their history (D6). */
  reset(room: string, reason: 'trimmed' | 'broken' | 'foreign', members: number): void
  /** A fetch failed; it is repeated after the next sign of life of the store. */
  fillFailed(room: string, error: unknown): void
}

export interface LocalRoomOptions extends ReplicaOptions {
  /** Entries per page of a fill. */
  pageSize: number
  /** How long the subscription outlives the last member. */
  lingerMs: number
  /** Messages are given labels, here or elsewhere. Default false. */
  labelled?: boolean
}

export interface LocalRoomDeps {
  log: MessageLog
  outlet: Outlet
  observer: RoomObserver
  options: LocalRoomOptions
  budget: RingBudget
  lingering: Lingering
  /** This instance's rooms with a known gap: this one adds and removes itself. */
  behind: Set<LocalRoom>
  /** Nobody is here any more and the subscription is gone. */
  closed(room: LocalRoom): void
}

/**
 * This instance's part of one room: its subscription, its copy of the log's end, its members. It is
 * subscribed while somebody holds it, and a little longer.
 */
export interface LocalRoom {
  readonly name: string
  readonly replica: Replica
  readonly members: Set<Member>
  /** Something was missed that could not be fetched yet. */
  readonly behind: boolean
  /** Open, so that the replica is valid. */
  readonly live: boolean
  /** When the last message came, for the order of checks; ms since process start. */
  readonly activeAt: number
  /** Keeps the room here until the returned function is called (once). */
  hold(): () => void
  /** Resolves when subscribed and at a known place; concurrent calls share the work. */
  open(): Promise<void>
  /** Brings members up to the log's tail; concurrent calls share a run that starts after the call. */
  sync(): Promise<void>
  stored(epoch: string, entry: Entry): void
  /** Members have what was stored at that place. */
  knows(epoch: string, offset: number, at: number): boolean
  /**
   * This instance stored the entry: where it continues what members have they get it now, otherwise with
   * its publication, which is on its way.
   */
  appended(epoch: string, entry: Entry): void
  labelled(epoch: string, labelled: Labelled): void
  /**
   * Reads the labels of the entries held here where some may have been missed; undefined where none
   * were. Never rejects: labels may be late.
   */
  catchUpOnLabels(): Promise<void> | undefined
  /** The store says that a new epoch began. */
  renewed(epoch: string): void
  /** Subscriptions were interrupted: a read under way for opening may be older than what was lost. */
  interrupted(): void
  /** Stops timers; the subscription is left to the broker's end. */
  stop(): void
}

type Frame = { epoch: string; entry: Entry } | { epoch: string; labelled: Labelled }

export function createLocalRoom(name: string, deps: LocalRoomDeps): LocalRoom {
  const { log, outlet, observer, options } = deps
  const replica = createReplica(options, deps.budget)
  const members = new Set<Member>()
  const early = createEarly()
  const lifetime = createRoomLifetime({
    lingerMs: options.lingerMs,
    lingering: deps.lingering,
    begin,
    begun() {
      takeWaiting()
      if (room.behind) startSync()
    },
    end: () => log.unsubscribe(name),
    ended() {
      waiting = []
      early.clear()
      deps.behind.delete(room)
      replica.clear()
    },
    unused: () => deps.closed(room),
  })
  const labels = createRoomLabels({ name, log, replica, tell, ahead: fallBehind })
  let activeAt = 0
  /** Frames that came while the room could not take them, oldest first; bounded by dropping (D8). */
  let waiting: Frame[] = []
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined

  function fallBehind(): void {
    // A read may end after its room did.
    if (lifetime.phase !== 'absent') deps.behind.add(room)
  }

  /** Delivers an entry that continues what members have; says whether it did or is known. */
  function take(epoch: string, entry: Entry): boolean {
    const verdict = replica.accept(epoch, entry)
    if (verdict === 'next') {
      activeAt = performance.now()
      if (members.size > 0) {
        outlet.message(name, members, epoch, entry)
        if (entry.labels !== undefined) tell(epoch, { ...entry, labels: entry.labels })
      }
    }
    return verdict === 'next' || verdict === 'known'
  }

  /** Whether members have what was stored at that place; asked in the order of frames. */
  function knows(epoch: string, offset: number, at: number): boolean {
    const own = early.has(epoch, offset, at)
    return (own && epoch === replica.tail.epoch) || replica.has(epoch, offset, at)
  }

  function tell(epoch: string, { offset, at, labels }: Labelled): void {
    if (members.size > 0) outlet.labels(name, members, epoch, { offset, at, labels })
  }

  function wait(frame: Frame): void {
    waiting.push(frame)
    // The oldest go first: a page read later covers them, while nothing covers the newest.
    if (waiting.length > options.ringCapacity) waiting.shift()
  }

  function takeWaiting(): void {
    const frames = waiting
    waiting = []
    for (const frame of frames) {
      if ('labelled' in frame) labels.take(frame.epoch, frame.labelled)
      else if (!take(frame.epoch, frame.entry)) fallBehind()
    }
  }

  function adopt(tail: Tail, reason: 'trimmed' | 'broken' | 'foreign'): void {
    replica.adopt(tail)
    observer.reset(name, reason, members.size)
    if (members.size > 0) outlet.reset(name, members, tail) // D6
  }

  async function begin(): Promise<void> {
    await log.subscribe(name)
    const asked = options.ringCapacity
    replica.seed(await log.read(name, { kind: 'last', limit: asked }), asked)
  }

  /** Our place and the log contradict each other: ends the epoch for everybody (D6). */
  async function renew(): Promise<void> {
    adopt(await log.renew(name, replica.tail.epoch), 'broken')
    takeWaiting()
  }

  /** Pages from our place to the tail until nothing is left that we know to be missing (D4). */
  async function fill(): Promise<void> {
    do {
      deps.behind.delete(room)
      const from = replica.tail
      const page = await log.read(name, { kind: 'after', from, limit: options.pageSize })
      if (!lifetime.isOpen) return
      if (page.continuity === 'whole') {
        const before = replica.tail.offset
        for (const entry of page.entries) take(page.tail.epoch, entry)
        if (replica.tail.offset > before) observer.filled(name, replica.tail.offset - before)
        takeWaiting()
        if (page.entries.length > 0 && replica.tail === from)
          await renew() // a link is wrong
        else if (page.tail.offset > replica.tail.offset) fallBehind()
      } else if (page.continuity === 'broken') {
        await renew()
      } else if (replica.tail === from) {
        adopt(page.tail, page.continuity)
        takeWaiting()
      } else {
        fallBehind() // we moved while reading; this page says nothing about where we are now
      }
    } while (room.behind && lifetime.isOpen)
  }

  async function runFill(): Promise<void> {
    try {
      await fill()
    } catch (error) {
      fallBehind()
      observer.fillFailed(name, error)
      throw error
    } finally {
      running = undefined
    }
  }

  function sync(): Promise<void> {
    if (running === undefined) {
      running = runFill()
      return running
    }
    // The run under way may have read before this call was made, so it proves nothing to the caller.
    queued ??= running
      .catch(() => undefined)
      .then(() => {
        queued = undefined
        return sync()
      })
    return queued
  }

  function startSync(): void {
    // A failure leaves `behind` set and is reported; the next check repeats it.
    if (running === undefined) sync().catch(() => undefined)
  }

  const room: LocalRoom = {
    name,
    replica,
    members,
    get behind() {
      return deps.behind.has(room)
    },
    get live() {
      return lifetime.isOpen
    },
    get activeAt() {
      return activeAt
    },
    hold: lifetime.hold,
    open: lifetime.open,
    sync,
    stored(epoch, entry) {
      const { isOpen } = lifetime
      if (isOpen && knows(epoch, entry.offset, entry.at)) return
      if (!isOpen || running !== undefined) {
        if (isOpen && take(epoch, entry)) return
        if (isOpen || lifetime.phase === 'opening') wait({ epoch, entry })
        return
      }
      if (take(epoch, entry)) return
      wait({ epoch, entry })
      startSync()
    },
    knows: (...place) => lifetime.isOpen && knows(...place),
    appended(epoch, entry) {
      const before = replica.tail
      if (!lifetime.isOpen || !take(epoch, entry) || replica.tail === before) return
      early.delivered(replica.tail)
    },
    labelled(epoch, labelled) {
      if (lifetime.phase === 'opening' || running !== undefined) wait({ epoch, labelled })
      else if (lifetime.isOpen) {
        labels.take(epoch, labelled)
        if (room.behind) startSync()
      }
    },
    catchUpOnLabels: labels.catchUp,
    interrupted() {
      if (options.labelled) labels.missed()
      if (lifetime.phase === 'opening') fallBehind()
    },
    renewed(epoch) {
      if (lifetime.phase === 'opening') fallBehind()
      else if (lifetime.isOpen && epoch !== replica.tail.epoch) sync().catch(() => undefined)
    },
    stop: lifetime.stop,
  }
  return room
}
