import type { Attendance } from './attendance.ts'
import type { PresenceStore } from './presence.ts'

/**
 * Writes this instance's users to the store, room by room: what changes within a tenth of a second
 * goes out together, and one room at most twice a second, so that a storm of a thousand joins costs a
 * room a few writes.
 */
export interface PresenceWriter {
  changed(room: string): void
  /** What was written is lost, or may be: every room is written as a whole. */
  rewriteAll(): void
  stop(): void
}

const GATHER_MS = 100
const ROOM_EVERY_MS = 500
const RETRY_MS = 1000
/** Rooms that are written at once; the others wait: Redis has better things to do after an outage. */
const WIDTH = 200
/** Half of how long the store keeps what is not kept from expiring. */
const KEEP_EVERY_MS = 300_000
const KEEP_TICK_MS = 5000

export function createPresenceWriter(deps: {
  store: PresenceStore
  attendance: Attendance
  /** Resolves while this instance's lease holds: it is asked for before anything is written. */
  leased(): Promise<void>
  /** A room was written; `occupied`: users of this instance are there. */
  wrote?: (room: string, occupied: boolean) => void
}): PresenceWriter {
  const { store, attendance } = deps
  const due = new Set<string>()
  /** Rooms of which the store may have something else than we think. */
  const unclear = new Set<string>()
  const writtenAt = new Map<string, number>()
  let running = false
  let timer: NodeJS.Timeout | undefined
  let keepTimer: NodeJS.Timeout | undefined
  let keepQueue: string[] = []

  async function write(room: string): Promise<void> {
    due.delete(room)
    const whole = unclear.delete(room)
    writtenAt.delete(room) // to the end of the order
    writtenAt.set(room, performance.now())
    try {
      await store.write(room, attendance.take(room, whole))
      deps.wrote?.(room, attendance.occupies(room))
    } catch {
      unclear.add(room)
      due.add(room)
    }
  }

  /** @returns whether everything that was tried worked */
  async function writeDue(): Promise<boolean> {
    const now = performance.now()
    const ready = [...due].filter((room) => {
      const last = writtenAt.get(room)
      return last === undefined || now - last >= ROOM_EVERY_MS
    })
    if (ready.length === 0) return true
    await deps.leased()
    const batch = ready.slice(0, WIDTH)
    await Promise.all(batch.map(write))
    return !batch.every((room) => unclear.has(room))
  }

  async function run(): Promise<void> {
    const worked = await writeDue().catch(() => false) // the store reports its trouble itself
    running = false
    const old = performance.now() - ROOM_EVERY_MS
    for (const [room, at] of writtenAt) {
      if (at > old) break
      writtenAt.delete(room)
    }
    if (due.size > 0) soon(worked ? GATHER_MS : RETRY_MS)
  }

  function soon(ms: number): void {
    if (running) return
    running = true
    timer = setTimeout(() => void run(), ms)
    timer.unref()
    keepTimer ??= setInterval(keep, KEEP_TICK_MS).unref()
  }

  /** A share of all rooms, so that each has its turn in time. */
  function keep(): void {
    if (keepQueue.length === 0) keepQueue = [...attendance.rooms()]
    const share = Math.ceil((attendance.size * KEEP_TICK_MS) / KEEP_EVERY_MS)
    const batch = keepQueue.splice(-share).filter((room) => !due.has(room))
    if (batch.length === 0) return
    store.keep(batch).then(
      (lost) => {
        for (const room of lost) rewrite(room)
      },
      () => undefined,
    )
  }

  function rewrite(room: string): void {
    unclear.add(room)
    due.add(room)
    soon(GATHER_MS)
  }

  return {
    changed(room) {
      due.add(room)
      soon(GATHER_MS)
    },
    rewriteAll() {
      for (const room of attendance.rooms()) rewrite(room)
    },
    stop() {
      clearTimeout(timer)
      clearInterval(keepTimer)
    },
  }
}
