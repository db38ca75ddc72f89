import {
  DUPLICATE_CAUSES,
  type DuplicateCause,
  type DuplicateStore,
  type DuplicateTotals,
  noDuplicates,
} from './duplicate-store.ts'
import type { Metrics } from './metrics.ts'
import { readByLabel } from './readings.ts'

/** Carries what the metric `duplicates_total` counts into totals that outlive this process. */
export interface Duplicates {
  /** With all that was counted here until now; undefined while the store is away. */
  totals(): Promise<DuplicateTotals | undefined>
  start(): void
  /** Adds what is left; the last thing before the store is closed. */
  stop(): Promise<void>
}

/** A process that is killed loses the counts of this time. */
const ADD_EVERY_MS = 1000
/** Others' counts are looked at so often, in those. */
const LOOK_EVERY = 10
/** A page that shows them does not wait longer for a store that does not answer. */
const PATIENCE_MS = 300

export function createDuplicates(deps: {
  metrics: Metrics
  store: DuplicateStore
  instance: string
  boot: string
}): Duplicates {
  const { metrics, store, instance, boot } = deps
  const added = noDuplicates()
  /** Sent, and perhaps not carried out: goes again as it was. */
  let unsure: Record<DuplicateCause, number> | undefined
  let sequence = 1
  let ticks = 0
  let timer: NodeJS.Timeout | undefined
  let adding: Promise<DuplicateTotals | undefined> | undefined

  async function add(look: boolean): Promise<DuplicateTotals | undefined> {
    let totals: DuplicateTotals | undefined
    for (;;) {
      const counted = await readByLabel(metrics.duplicates, 'cause')
      const fresh = noDuplicates()
      for (const cause of DUPLICATE_CAUSES) fresh[cause] = (counted.get(cause) ?? 0) - added[cause]
      const batch = unsure ?? fresh
      const empty = DUPLICATE_CAUSES.every((cause) => batch[cause] === 0)
      if (empty && (totals !== undefined || !look)) return totals
      if (!empty) unsure = batch
      totals = await store.add({ instance, boot, sequence }, batch)
      if (!empty) {
        for (const cause of DUPLICATE_CAUSES) added[cause] += batch[cause]
        unsure = undefined
        sequence += 1
      }
      for (const cause of DUPLICATE_CAUSES) {
        metrics.duplicatesCluster.set({ cause }, totals.cluster[cause])
      }
    }
  }

  /** One at a time: the order of sequences is theirs. */
  async function addInTurn(look: boolean): Promise<DuplicateTotals | undefined> {
    while (adding !== undefined) await adding.catch(() => undefined)
    const run = add(look)
    adding = run
    try {
      return await run
    } catch {
      return undefined // the link reports its trouble itself; what was counted goes with the next
    } finally {
      adding = undefined
    }
  }

  return {
    async totals() {
      const limit = new Promise<undefined>((resolve) => {
        setTimeout(resolve, PATIENCE_MS, undefined).unref()
      })
      return Promise.race([addInTurn(true), limit])
    },
    start() {
      timer = setInterval(() => {
        ticks += 1
        if (adding === undefined) void addInTurn(ticks % LOOK_EVERY === 0)
      }, ADD_EVERY_MS)
      timer.unref()
    },
    async stop() {
      clearInterval(timer)
      await addInTurn(false)
    },
  }
}
