import { type InstanceDirectory, type InstanceSummary, KEEP_MS } from './directory.ts'
import type { OperatorNotes } from './operator-notes.ts'

/** `unknown`: the directory is away, so nobody can tell. */
export type Liveness = 'live' | 'silent' | 'stopped' | 'unknown'

export interface SeenInstance extends Omit<InstanceSummary, 'events'> {
  presence: Liveness
  /** Since its last sign of life. */
  ageMs: number
}

/** The instances that share a store, as this one sees them. */
export interface Cluster {
  /** This one first, the others by name; whoever has fallen silent meanwhile is told of. */
  instances(): SeenInstance[]
  /** Whether the directory answers. */
  readonly known: boolean
  /**
   * Whether a process still runs: `gone` once it has been silent for so long that it is not merely
   * busy, or is not listed any more; undefined while nobody can tell.
   */
  fate(boot: string): 'live' | 'gone' | 'stopped' | undefined
  /** Says good-bye to the others, if that is possible within half a second. */
  stop(): Promise<void>
}

/**
 * Two calls a second and instance, each a few kB, so that a page that asks once a second shows a
 * killed instance within 3 s. The probe of a link costs Redis more.
 */
const BEAT_MS = 500
const SILENT_MS = 1500
const GONE_MS = 2500
/** After an outage everybody has to come back first. */
const GRACE_MS = 2500
const FAREWELL_MS = 500

interface Other {
  summary: InstanceSummary
  heardAt: number
  presence: 'live' | 'silent' | 'stopped'
}

export function createCluster(deps: {
  directory: InstanceDirectory
  /** One's own summary, as it is now. */
  own: () => InstanceSummary
  notes: OperatorNotes
  /** Takes what another instance tells of itself. */
  heard: (summary: InstanceSummary) => void
  now?: () => number
}): Cluster & { beat(): Promise<void> } {
  const { directory, notes } = deps
  const now = deps.now ?? (() => performance.now())
  const others = new Map<string, Other>()
  let known = false
  let knownSince = 0
  let exchangedAt = 0
  let first = true
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  function see(summary: InstanceSummary, ageMs: number): void {
    const heardAt = now() - Math.max(0, ageMs)
    const before = others.get(summary.boot)
    const presence = summary.status === 'stopped' ? 'stopped' : 'live'
    if (before === undefined) {
      const namesakes = [...others.values()].filter(
        (other) => other.summary.instance === summary.instance && other.presence !== 'live',
      )
      for (const { summary: former } of namesakes) others.delete(former.boot)
      others.set(summary.boot, { summary, heardAt, presence })
      if (!first && presence === 'live') {
        notes.instanceAppeared(summary.instance, namesakes.length > 0)
      }
    } else {
      if (heardAt <= before.heardAt && summary.status === before.summary.status) return
      if (presence === 'stopped' && before.presence !== 'stopped') {
        notes.instanceLeft(summary.instance)
        before.presence = presence
      }
      before.summary = summary
      before.heardAt = Math.max(heardAt, before.heardAt)
    }
    deps.heard(summary)
  }

  function judge(): void {
    // Who did not ask, being busy or stopped, cannot call others silent.
    if (now() - exchangedAt > 2 * BEAT_MS) return
    for (const [boot, other] of others) {
      const ageMs = now() - other.heardAt
      const { instance } = other.summary
      if (ageMs > KEEP_MS) others.delete(boot)
      else if (other.presence === 'live' && ageMs > SILENT_MS && now() - knownSince > GRACE_MS) {
        other.presence = 'silent'
        if (!first) notes.instanceSilent(instance, ageMs)
      } else if (other.presence === 'silent' && ageMs <= SILENT_MS) {
        other.presence = 'live'
        notes.instanceHeard(instance)
      }
    }
  }

  async function beat(): Promise<void> {
    const own = deps.own()
    try {
      const sightings = await directory.exchange(own)
      if (!known) knownSince = now()
      known = true
      exchangedAt = now()
      for (const { summary, ageMs } of sightings) {
        if (summary.boot !== own.boot) see(summary, ageMs)
      }
      judge()
      first = false
    } catch {
      known = false // the link reports its trouble itself
    }
  }

  function beatSoon(): void {
    if (stopped) return
    void beat().then(() => {
      if (stopped) return
      timer = setTimeout(beatSoon, BEAT_MS)
      timer.unref()
    })
  }
  beatSoon()

  return {
    beat,
    get known() {
      return known
    },
    fate(boot) {
      const other = others.get(boot)
      if (other?.presence === 'stopped') return 'stopped'
      if (!known || now() - exchangedAt > 2 * BEAT_MS) return undefined
      if (other === undefined) return boot === deps.own().boot ? 'live' : 'gone'
      return now() - other.heardAt > GONE_MS ? 'gone' : 'live'
    },
    instances() {
      if (known) judge()
      const seen = [...others.values()].map(({ summary, heardAt, presence }): SeenInstance => {
        const { events: _, ...figures } = summary
        const shown = known || presence === 'stopped' ? presence : 'unknown'
        return { ...figures, ageMs: Math.round(now() - heardAt), presence: shown }
      })
      seen.sort((a, b) => a.instance.localeCompare(b.instance))
      const { events: _, ...own } = deps.own()
      return [{ ...own, ageMs: 0, presence: 'live' }, ...seen]
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      const farewell = directory.exchange({ ...deps.own(), status: 'stopped' })
      const limit = new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref())
      await Promise.race([farewell.catch(() => undefined), limit])
    },
  }
}
