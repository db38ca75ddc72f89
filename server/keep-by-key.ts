/** Values that are found by a key and stay for a while after their last use. */
export interface KeptByKey<Value> {
  /** Makes one where there is none; it may go with the next call unless it is not idle by then. */
  of(key: string): Value
  find(key: string): Value | undefined
}

/** So many are kept whatever they do. */
const KEPT = 1024

/**
 * For work that begins and ends with every message, and has a key: instead of a Map to which each adds
 * itself and from which it goes again. Such a Map changes its table every few messages; the old table
 * points to the new one, and where one of them has been promoted to the old generation, as the first one
 * is while nothing happens, each keeps its successor, and all that was in it, from the collector of
 * the young one: 1 kB of each message was promoted, and collected only with everything else.
 *
 * @param isIdle whether a value may go; asked when there are twice as many as were not idle the last time
 */
export function keepByKey<Value>(
  make: (key: string) => Value,
  isIdle: (value: Value) => boolean,
): KeptByKey<Value> {
  const values = new Map<string, Value>()
  let limit = KEPT

  function tidy(): void {
    for (const [key, value] of values) if (isIdle(value)) values.delete(key)
    limit = Math.max(KEPT, 2 * values.size)
  }

  return {
    of(key) {
      const found = values.get(key)
      if (found !== undefined) return found
      if (values.size >= limit) tidy()
      const made = make(key)
      values.set(key, made)
      return made
    },
    find: (key) => values.get(key),
  }
}
