/** A stream of pseudo-random numbers: the same seed gives the same stream, on every machine. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** An integer in [from, to], both inclusive. */
  int(from: number, to: number): number
  /** One of the items; they must not be empty. */
  pick<Item>(items: readonly Item[]): Item
  /** True with this probability. */
  chance(probability: number): boolean
  /** A stream of its own, so that what one part draws does not shift another part's draws. */
  fork(salt: number): Random
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough to schedule with. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    next,
    int: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick(items) {
      const item = items[Math.floor(next() * items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
    chance: (probability) => next() < probability,
    fork: (salt) => createRandom(Math.imul(seed ^ 0x9e3779b9, 2 * salt + 1) ^ (salt << 7)),
  }
}
