/** Where the rows of a list are, of which only those in sight exist. All lengths are px. */
export interface RowLayout {
  /** Height of all rows together. */
  readonly total: number
  readonly keys: readonly string[]
  /** The rows from now on, in their order. Heights that were measured stay with their keys. */
  arrange(keys: readonly string[]): void
  /** Takes a row's real height; says whether it is another one than before. */
  measure(key: string, height: number): boolean
  /** Forgets every measurement: the rows have another width. */
  forget(): void
  top(index: number): number
  height(index: number): number
  /** The row at this distance from the top: the nearest one where there is none. */
  at(y: number): number
  /** Where a key is; -1 for none. */
  indexOf(key: string): number
}

/** A line of text with its padding, until rows were measured. */
const FIRST_GUESS = 34
/** After so many the guess stays as it is: what is out of sight must not move all the time. */
const ENOUGH = 30

export function createRowLayout(): RowLayout {
  let keys: readonly string[] = []
  let heights = new Map<string, number>()
  let guess = FIRST_GUESS
  /** `tops[i]` for every row, and the total at the end; undefined: to be added up again. */
  let tops: Float64Array | undefined
  let places: Map<string, number> | undefined

  function addUp(): Float64Array {
    const sums = new Float64Array(keys.length + 1)
    for (const [index, key] of keys.entries()) {
      sums[index + 1] = (sums[index] ?? 0) + (heights.get(key) ?? guess)
    }
    return sums
  }

  function top(index: number): number {
    tops ??= addUp()
    return tops[Math.min(Math.max(index, 0), keys.length)] ?? 0
  }

  return {
    get total() {
      return top(keys.length)
    },
    get keys() {
      return keys
    },
    arrange(next) {
      keys = next
      tops = undefined
      places = undefined
    },
    measure(key, height) {
      if (heights.get(key) === height) return false
      heights.set(key, height)
      tops = undefined
      if (heights.size === ENOUGH) {
        guess = [...heights.values()].reduce((sum, one) => sum + one, 0) / ENOUGH
      }
      return true
    },
    forget() {
      heights = new Map()
      tops = undefined
    },
    top,
    height: (index) => top(index + 1) - top(index),
    at(y) {
      let low = 0
      let high = keys.length - 1
      while (low < high) {
        const middle = (low + high + 1) >> 1
        if (top(middle) <= y) low = middle
        else high = middle - 1
      }
      return Math.max(low, 0)
    },
    indexOf(key) {
      places ??= new Map(keys.map((one, index) => [one, index]))
      return places.get(key) ?? -1
    },
  }
}
