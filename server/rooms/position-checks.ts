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
}): PositionChecks {
  const { log } = deps
  const turns = Math.max(1, Math.floor(deps.everyMs / TICK_MS))
  let scheduled: NodeJS.Timeout | undefined
  let stopped = false
  /** Rooms that have not had their turn in this round, and how many have it at a time. */
  let round: LocalRoom[] = []
  let share = 0
  /** An interruption's check did not come to its end. */
  let owed = false

  async function verify(rooms: LocalRoom[], quick: boolean): Promise<void> {
    const sent = rooms.map((room) => ({ room: room.name, position: room.replica.tail }))
    const results = await log.verify(sent, quick)
    const late: { room: LocalRoom; offset: number }[] = []
    rooms.forEach((room, index) => {
      const result = results[index]
      if (result === undefined || !room.live) return
      if (room.behind || result.continuity !== 'whole') sync(room)
      else if (result.tail.offset > room.replica.tail.offset) {
        late.push({ room, offset: result.tail.offset })
      }
    })
    if (late.length === 0) return
    setTimeout(() => {
      for (const { room, offset } of late) {
        if (room.live && room.replica.tail.offset < offset) sync(room)
      }
    }, GRACE_MS).unref()
  }

  function sync(room: LocalRoom): void {
    // A failure leaves the room `behind`: the next tick tries again.
    room.sync().catch(() => undefined)
  }

  /** Those that are live, most recently active ones first: that is where somebody waits. */
  async function verifyInTurn(due: Iterable<LocalRoom>, quick: boolean): Promise<void> {
    const rooms = [...due].filter((room) => room.live)
    rooms.sort((a, b) => b.activeAt - a.activeAt)
    for (let start = 0; start < rooms.length && !stopped; start += BATCH) {
      await verify(rooms.slice(start, start + BATCH), quick)
    }
  }

  function now(): Promise<void> {
    return verifyInTurn(deps.rooms(), true)
  }

  async function afterInterruption(): Promise<void> {
    owed = false
    // The store is away again, which may interrupt commands only: no restoration would follow.
    await now().catch(() => {
      owed = true
    })
  }

  /** Rooms that are behind each tick; of the others a share, so that all have their turn. */
  async function tick(): Promise<void> {
    if (owed) return afterInterruption()
    if (round.length === 0) {
      round = [...deps.rooms()]
      share = Math.ceil(round.length / turns)
    }
    // From the end: rooms that opened during a round are the first of the next.
    await verifyInTurn(new Set([...deps.behind, ...round.splice(-share)]), false)
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
        void afterInterruption()
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
