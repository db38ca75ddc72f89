import { describe, expect, it } from 'vitest'
import { type CacheOutcome, createCache } from '../../server/cache/cache.ts'
import { createMemoryLevel } from '../../server/cache/memory-level.ts'
import { deferred } from '../support/deferred.ts'

function setUp(maxBytes = 1_000_000) {
  let at = 0
  const memory = createMemoryLevel(maxBytes, () => at)
  const outcomes: CacheOutcome[] = []
  const cache = createCache({
    ...{ memory, store: undefined },
    observer: { answered: (outcome) => void outcomes.push(outcome), took: () => undefined },
  })
  const pass = (ms: number) => {
    at += ms
  }
  return { cache, memory, outcomes, pass }
}

/** A computation that ends when it is told to. */
function held<T>() {
  const { promise, resolve, reject } = deferred<T>()
  let calls = 0
  return {
    compute: () => {
      calls += 1
      return promise
    },
    resolve,
    reject,
    get calls() {
      return calls
    },
  }
}

const MINUTE = { ttlMs: 60_000 }

describe('the cache in memory', () => {
  it('computes once for all who ask at once, and for those who ask later', async () => {
    const { cache, outcomes } = setUp()
    const work = held<{ n: number }>()
    const asked = Array.from({ length: 100 }, () => cache.getOrCompute('k', MINUTE, work.compute))
    work.resolve({ n: 1 })
    expect(await Promise.all(asked)).toEqual(Array.from({ length: 100 }, () => ({ n: 1 })))
    expect(await cache.getOrCompute('k', MINUTE, work.compute)).toEqual({ n: 1 })
    expect(work.calls).toBe(1)
    expect(outcomes.filter((each) => each === 'shared')).toHaveLength(99)
    expect(outcomes.at(-1)).toBe('memory')
  })

  it('serves a stale value at once while one computes it anew, and none that is older', async () => {
    const { cache, outcomes, pass } = setUp()
    const lifetime = { ttlMs: 1000, staleMs: 1000 }
    await cache.getOrCompute('k', lifetime, () => 'old')
    pass(1500)
    const work = held<string>()
    const stale = [1, 2, 3].map(() => cache.getOrCompute('k', lifetime, work.compute))
    expect(await Promise.all(stale)).toEqual(['old', 'old', 'old'])
    expect(work.calls).toBe(1)
    work.resolve('new')
    await expect.poll(() => cache.getOrCompute('k', lifetime, work.compute)).toBe('new')
    pass(2000)
    expect(await cache.getOrCompute('k', lifetime, () => 'newest')).toBe('newest')
    expect(outcomes.at(-1)).toBe('computed')
  })

  it('keeps a stale value where computing it anew fails', async () => {
    const { cache, pass } = setUp()
    const lifetime = { ttlMs: 1000, staleMs: 1000 }
    await cache.getOrCompute('k', lifetime, () => 'old')
    pass(1500)
    const fails = () => Promise.reject(new Error('no'))
    expect(await cache.getOrCompute('k', lifetime, fails)).toBe('old')
    expect(await cache.getOrCompute('k', lifetime, fails)).toBe('old')
    pass(1000)
    await expect(cache.getOrCompute('k', lifetime, fails)).rejects.toThrow('no')
  })

  it('tells a failure to those who waited, and keeps nothing of it', async () => {
    const { cache, outcomes } = setUp()
    const work = held<string>()
    const asked = [1, 2].map(() => cache.getOrCompute('k', MINUTE, work.compute))
    work.reject(new Error('down'))
    for (const each of asked) await expect(each).rejects.toThrow('down')
    expect(await cache.getOrCompute('k', MINUTE, () => 'up')).toBe('up')
    expect(outcomes).toEqual(['failed', 'failed', 'computed'])
  })

  it('does not keep what was computed before a key was forgotten', async () => {
    const { cache } = setUp()
    const work = held<string>()
    const before = cache.getOrCompute('k', MINUTE, work.compute)
    await cache.invalidate('k')
    expect(await cache.getOrCompute('k', MINUTE, () => 'after')).toBe('after')
    work.resolve('before')
    expect(await before).toBe('before')
    expect(await cache.getOrCompute('k', MINUTE, () => 'another')).toBe('after')
  })

  it('hands out what JSON makes of a value, and does not keep undefined', async () => {
    const { cache } = setUp()
    const own = { at: new Date(0), none: undefined }
    expect(await cache.getOrCompute('k', MINUTE, () => own)).toEqual({
      at: '1970-01-01T00:00:00.000Z',
    })
    expect(await cache.getOrCompute('u', MINUTE, () => undefined)).toBeUndefined()
    expect(await cache.getOrCompute<unknown>('u', MINUTE, () => null)).toBeNull()
  })

  it('D8 stays within its bytes: the least recently used goes first, what is too long is not kept', async () => {
    const { cache, memory } = setUp(100_000)
    const text = 'x'.repeat(2000)
    for (let i = 0; i < 100; i++) {
      await cache.getOrCompute('kept', MINUTE, () => 'kept')
      await cache.getOrCompute(`k${i}`, MINUTE, () => text)
      expect(memory.bytes).toBeLessThanOrEqual(100_000)
    }
    expect(memory.entries).toBeGreaterThan(15)
    expect(memory.get('kept')).toBeDefined()
    expect(memory.get('k0')).toBeUndefined()
    const long = 'x'.repeat(10_000)
    expect(await cache.getOrCompute('long', MINUTE, () => long)).toBe(long)
    expect(memory.get('long')).toBeUndefined()
  })
})
