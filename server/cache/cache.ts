import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MemoryLevel } from './memory-level.ts'
import type { CacheStore, Found, Lifetime } from './store.ts'

/** How long a value lives, ms. */
export interface CacheLifetime {
  /** It is fresh for this long: nobody computes it anew. */
  ttlMs: number
  /** And stale for this long after that: served at once, while one instance computes it anew. Default 0. */
  staleMs?: number
}

/**
 * A cache in two levels: this process' memory, then the Redis of the cache, which all instances share.
 * Without Redis, and while it is away, memory alone.
 */
export interface Cache {
  /**
   * The value of a key; computed where nobody has it, once for all who ask meanwhile: in this process,
   * and in the cluster while the cache's Redis is there. Who computes may fail: its own callers are told, nothing
   * is kept, and another instance that waited tries for itself.
   *
   * @param key any string; instances that share a Redis and a key prefix share their keys
   * @param compute its result is JSON: what comes back is what JSON makes of it, shared by all who
   *   ask, and not to be changed. Undefined is not kept.
   */
  getOrCompute<T>(
    key: string,
    lifetime: CacheLifetime,
    compute: () => T | Promise<T>,
  ): Promise<Awaited<T>>
  /**
   * Forgets a key in every instance. What was being computed is not kept. Rejects where the Redis of
   * the cache is away: this instance has forgotten it, others may not have.
   */
  invalidate(key: string): Promise<void>
}

/** Where an answer came from. `shared`: somebody in this process was computing it already. */
export type CacheOutcome = 'memory' | 'stale' | 'redis' | 'computed' | 'shared' | 'failed'

export interface CacheObserver {
  answered(outcome: CacheOutcome): void
  /** How long a level took, whatever it had; ms. */
  took(level: 'memory' | 'redis' | 'compute', ms: number): void
}

export interface CacheOptions {
  memory: MemoryLevel
  /** Undefined: there is no second level. */
  store: CacheStore | undefined
  observer: CacheObserver
}

/** A claim outlives its holder by this. */
const LEASE_MS = 5000
/** Nobody is waited for longer: others then compute as well. */
const COMPUTE_MAX_MS = 60_000
/** How often those look who wait for another instance: at first, and at last. */
const LOOK_FIRST_MS = 10
const LOOK_MAX_MS = 100

/** What is given to those who asked. */
interface Answer {
  value: unknown
  outcome: CacheOutcome
  /** Goes on after the answer, which is stale: it is ours to compute anew. */
  further?: (load: Load) => Promise<Answer>
}

/** What is being found out for a key, for all who ask meanwhile. */
interface Load {
  answer: Promise<Answer>
  /** False when the key was forgotten meanwhile: what comes of it is for those who wait, not to keep. */
  valid: boolean
}

export function createCache({ memory, store, observer }: CacheOptions): Cache {
  const loads = new Map<string, Load>()
  store?.onRemoved((key) => {
    if (key !== undefined) return forget(key)
    memory.clear()
    for (const loading of [...loads.keys()]) forget(loading)
  })

  function forget(key: string): void {
    memory.delete(key)
    const load = loads.get(key)
    if (load === undefined) return
    load.valid = false
    loads.delete(key)
  }

  function begin(key: string, work: (load: Load) => Promise<Answer>): Promise<Answer> {
    const load = { valid: true } as Load
    const end = () => {
      if (loads.get(key) === load) loads.delete(key)
    }
    loads.set(key, load)
    load.answer = work(load).then(
      (answer) => {
        end()
        if (answer.further !== undefined) refresh(key, answer.further)
        return answer
      },
      (error: unknown) => {
        end()
        throw error
      },
    )
    return load.answer
  }

  /** In the background, for a value that is stale. What fails leaves it so; who asks next tries again. */
  function refresh(key: string, work: (load: Load) => Promise<Answer>): void {
    if (!loads.has(key)) begin(key, work).catch(() => undefined)
  }

  /** Renews a claim for as long as its holder works. */
  function holdClaim(key: string, claimant: string): { end(): void } {
    const until = performance.now() + COMPUTE_MAX_MS
    const timer = setInterval(() => {
      if (performance.now() > until) clearInterval(timer)
      else store?.renew(key, claimant, LEASE_MS).catch(() => undefined) // away: nobody can claim it
    }, LEASE_MS / 3)
    timer.unref()
    return { end: () => clearInterval(timer) }
  }

  /** @param claimant undefined where there is no store, or it is away: for this process alone */
  async function compute(
    { key, lifetime, work }: Wanted,
    load: Load,
    claimant: string | undefined,
  ): Promise<Answer> {
    const claim = claimant === undefined ? undefined : holdClaim(key, claimant)
    const started = performance.now()
    let text: string | undefined
    try {
      text = JSON.stringify(await work())
    } finally {
      claim?.end()
      observer.took('compute', performance.now() - started)
      if (text === undefined && claimant !== undefined) {
        await store?.release(key, claimant).catch(() => undefined)
      }
    }
    if (text === undefined) return { value: undefined, outcome: 'computed' }
    const value: unknown = JSON.parse(text)
    const stored =
      store === undefined || claimant === undefined
        ? undefined
        : await store.put(key, claimant, text, lifetime).catch(() => undefined)
    // Refused: it was removed meanwhile, or another instance took over.
    if (load.valid && stored !== false) memory.set(key, value, text, lifetime)
    return { value, outcome: 'computed' }
  }

  async function lookUp(key: string, claimant: string): Promise<Found | undefined> {
    const started = performance.now()
    try {
      const found = await store?.lookUp(key, claimant, LEASE_MS)
      if (found !== undefined) observer.took('redis', performance.now() - started)
      return found
    } catch {
      return undefined // the link reports its trouble itself
    }
  }

  /** Asks the store; computes where that is ours to do, or where the store is away. */
  async function find(wanted: Wanted, load: Load, mayBeStale: boolean): Promise<Answer> {
    const { key } = wanted
    const claimant = randomUUID()
    const deadline = performance.now() + COMPUTE_MAX_MS
    for (let pause = LOOK_FIRST_MS; ; pause = Math.min(pause * 1.5, LOOK_MAX_MS)) {
      const found = await lookUp(key, claimant)
      if (found === undefined) return compute(wanted, load, undefined)
      const { freshMs, keptMs, claimed } = found
      const kept = parse(found)
      if (kept !== undefined && (freshMs > 0 || mayBeStale)) {
        const { value, text } = kept
        if (load.valid) memory.set(key, value, text, { ttlMs: freshMs, staleMs: keptMs - freshMs })
        if (freshMs > 0) return { value, outcome: 'redis' }
        const further = (next: Load) => compute(wanted, next, claimant)
        return { value, outcome: 'stale', ...(claimed && { further }) }
      }
      if (claimed) return compute(wanted, load, claimant)
      if (freshMs > 0 || performance.now() > deadline) return compute(wanted, load, undefined)
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  return {
    async getOrCompute<T>(
      key: string,
      { ttlMs, staleMs = 0 }: CacheLifetime,
      work: () => T | Promise<T>,
    ): Promise<Awaited<T>> {
      const wanted = { key, lifetime: { ttlMs, staleMs }, work }
      const started = performance.now()
      const kept = memory.get(key)
      observer.took('memory', performance.now() - started)
      if (kept !== undefined) {
        if (!kept.fresh) refresh(key, (load) => find(wanted, load, false))
        observer.answered(kept.fresh ? 'memory' : 'stale')
        return kept.value as Awaited<T>
      }
      const load = loads.get(key)
      try {
        const { value, outcome } = await (load?.answer ??
          begin(key, (own) => find(wanted, own, true)))
        observer.answered(load === undefined ? outcome : 'shared')
        return value as Awaited<T>
      } catch (error) {
        observer.answered('failed')
        throw error
      }
    },
    async invalidate(key) {
      forget(key)
      await store?.remove(key)
    },
  }
}

interface Wanted {
  key: string
  lifetime: Lifetime
  work: () => unknown
}

/** What another program wrote there is none of ours. */
function parse({ value: text }: Found): { value: unknown; text: string } | undefined {
  if (text === undefined) return undefined
  try {
    return { value: JSON.parse(text), text }
  } catch {
    return undefined
  }
}
