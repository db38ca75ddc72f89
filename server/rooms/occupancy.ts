/**
 * The port through which instances agree on which rooms have somebody. `broker/memory-occupancy.ts` and
 * `broker/redis/occupancy.ts` implement it; only gateways that tell somebody of it use it.
 *
 * Errors: rejects with a `GatewayError`; everything may be repeated.
 */
export interface OccupancyStore {
  /** Notes that this instance has users in a room, or none any more, for whoever survives it. */
  note(room: string, occupied: boolean): Promise<void>
  /** The rooms that a boot had noted, which is forgotten. */
  take(boot: string): Promise<string[]>
  /**
   * Compares what was told of a room with who is there through these boots. A change is told to one
   * caller only, whichever instance asks first.
   */
  check(room: string, boots: readonly string[]): Promise<OccupancyChange | undefined>
}

/** `occupied`: the first user over all instances came; `vacated`: the last one went. */
export type OccupancyChange = 'occupied' | 'vacated'

/** Tells of rooms in which the first user came or the last one went, over all instances, once each. */
export interface Occupancy {
  /** This instance's users in the room were written. */
  wrote(room: string, occupied: boolean): void
  /** Instances died; their rooms are looked at. */
  ended(boots: readonly string[]): void
  /** What was noted is lost: it is noted again with the next writing. */
  lost(): void
  stop(): void
}

/**
 * A fresh lease is not seen by everybody at once: somebody may find the room empty meanwhile. Whoever
 * comes first looks after that.
 */
const FRESH_MS = 1000
const RETRY_MS = 1000
/** Rooms that are looked at in one go. */
const WIDTH = 100

export function createOccupancy(deps: {
  store: OccupancyStore
  /** Instances whose users count, as of now; undefined while that cannot be told. */
  boots(): Promise<string[] | undefined>
  changed(room: string, change: OccupancyChange): void
}): Occupancy {
  const { store } = deps
  const noted = new Set<string>()
  /** What is to be done, by room: the last word counts. */
  const due = new Map<string, boolean | undefined>()
  const dead = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function look(room: string, occupied: boolean | undefined, boots: string[]): Promise<void> {
    try {
      if (occupied !== undefined) await store.note(room, occupied)
      const change = await store.check(room, boots)
      if (change !== undefined) deps.changed(room, change)
    } catch {
      if (!due.has(room)) due.set(room, occupied) // the store reports its trouble itself
    }
  }

  async function takeOver(boots: readonly string[]): Promise<void> {
    for (const boot of [...dead]) {
      dead.delete(boot)
      if (boots.includes(boot)) continue // it was away, and came back
      try {
        for (const room of await store.take(boot)) if (!due.has(room)) due.set(room, undefined)
      } catch {
        dead.add(boot)
        return
      }
    }
  }

  async function run(): Promise<void> {
    const boots = await deps.boots().catch(() => undefined)
    if (boots !== undefined) {
      await takeOver(boots)
      const batch = [...due].slice(0, WIDTH)
      for (const [room] of batch) due.delete(room)
      await Promise.all(batch.map(([room, occupied]) => look(room, occupied, boots)))
    }
    timer = undefined
    if (due.size > 0 || dead.size > 0) soon(due.size > WIDTH ? 0 : RETRY_MS)
  }

  function soon(ms: number): void {
    if (stopped || timer !== undefined) return
    timer = setTimeout(() => void run(), ms)
    timer.unref()
  }

  return {
    wrote(room, occupied) {
      if (noted.has(room) === occupied) return
      if (occupied) noted.add(room)
      else noted.delete(room)
      due.set(room, occupied)
      soon(FRESH_MS)
    },
    ended(boots) {
      for (const boot of boots) dead.add(boot)
      if (boots.length > 0) soon(0)
    },
    lost: () => noted.clear(),
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
