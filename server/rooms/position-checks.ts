import type { LocalRoom } from './local-room.ts'
import type { MessageLog } from './message-log.ts'

/**
 * Verifies rooms' positions against the log, so that a last message that was lost is found although
 * nothing follows it (D4): all rooms after every interruption, each one at an idle pace otherwise.
 */
export interface PositionChecks {
  /** All rooms, after a short random delay; calls before it ends are one. */
  soon(): void
  /** All rooms now. */
  now(): Promise<void>
  stop(): void
}

/** Rooms per pipelined batch: large enough to amortise the round trip, small enough not to block Redis. */
const BATCH = 500
const TICK_MS = 1000
/** Instances that lost the same Redis do not come back in the same instant. */
const JITTER_MS = 150
/** A frame may still be under way on the other connection when the log already shows its entry. */
const GRACE_MS = 150

export function createPositionChecks(deps: {
  log: MessageLog
  rooms: () => Iterable<LocalRoom>
  /** Those to which something is missing. */
  behind: ReadonlySet<LocalRoom>
  /** How often each room has its turn while nothing is wrong. */
  everyMs: number
  /** One cannot be read; told once, until it can. */
  failed(room: string, error: unknown): void
}): PositionChecks {
  const { log } = deps
  const turns = Math.max(1, Math.floor(deps.everyMs / TICK_MS))
  let scheduled: NodeJS.Timeout | undefined
  let stopped = false
  /** Rooms that have not had their turn in this round, and how many have it at a time. */
  let round: LocalRoom[] = []
  let share = 0
  /** Those that could not be read after an interruption: each tick tries again. */
  let owed = new Set<LocalRoom>()
  const unreadable = new WeakSet<LocalRoom>()

  /** @returns those that could not be read */
  async function verify(rooms: LocalRoom[], quick: boolean): Promise<LocalRoom[]> {
    const sent = rooms.map((room) => ({ room: room.name, position: room.replica.tail }))
    const results = await log.verify(sent, quick)
    const late: { room: LocalRoom; offset: number }[] = []
    const unread: LocalRoom[] = []
    rooms.forEach((room, index) => {
      const result = results[index]
      if (result === undefined || !room.live) return
      if (result.status === 'rejected') {
        unread.push(room)
        if (!unreadable.has(room)) deps.failed(room.name, result.reason)
        unreadable.add(room)
        return
      }
      unreadable.delete(room)
      const { continuity, tail } = result.value
      if (room.behind || continuity !== 'whole') sync(room)
      else if (tail.offset > room.replica.tail.offset) late.push({ room, offset: tail.offset })
    })
    if (late.length > 0) setTimeout(() => fetchMissing(late), GRACE_MS).unref()
    return unread
  }

  function fetchMissing(late: readonly { room: LocalRoom; offset: number }[]): void {
    for (const { room, offset } of late) {
      if (room.live && room.replica.tail.offset < offset) sync(room)
    }
  }

  function sync(room: LocalRoom): void {
    // A failure leaves the room `behind`: the next tick tries again.
    room.sync().catch(() => undefined)
  }

  /** Those that are live, most recently active ones first: that is where somebody waits. */
  async function verifyInTurn(due: Iterable<LocalRoom>, quick: boolean): Promise<LocalRoom[]> {
    const rooms = [...due].filter((room) => room.live)
    rooms.sort((a, b) => b.activeAt - a.activeAt)
    const unread: LocalRoom[] = []
    for (let start = 0; start < rooms.length && !stopped; start += BATCH) {
      unread.push(...(await verify(rooms.slice(start, start + BATCH), quick)))
    }
    return unread
  }

  /** The store may be away again, which may interrupt commands only: no restoration would follow. */
  async function afterInterruption(rooms: Iterable<LocalRoom>): Promise<void> {
    const unread = await verifyInTurn(rooms, true)
    for (const room of unread) owed.add(room)
  }

  /** Rooms that are behind each tick; of the others a share, so that all have their turn. */
  async function tick(): Promise<void> {
    const again = owed
    owed = new Set()
    await afterInterruption(again)
    if (round.length === 0) {
      round = [...deps.rooms()]
      share = Math.ceil(round.length / turns)
    }
    // From the end: rooms that opened during a round are the first of the next.
    await verifyInTurn(new Set([...deps.behind, ...round.splice(-share)]), false)
  }

  function now(): Promise<void> {
    owed = new Set()
    return afterInterruption(deps.rooms())
  }

  const ticker = setInterval(() => {
    tick().catch(() => undefined) // the store's own monitoring reports that it is away
  }, TICK_MS)
  ticker.unref()

  return {
    soon() {
      if (scheduled !== undefined || stopped) return
      scheduled = setTimeout(() => {
        scheduled = undefined
        void now()
      }, Math.random() * JITTER_MS)
      scheduled.unref()
    },
    now,
    stop() {
      stopped = true
      clearInterval(ticker)
      clearTimeout(scheduled)
    },
  }
}
