/**
 * Counts of durations in µs, from 0 to 35 minutes, each known to 1.6 %. Small enough to be handed
 * from one process to another and merged there.
 */
export interface Histogram {
  readonly count: number
  record(micros: number): void
  /** The smallest recorded duration that this share of all does not exceed; undefined of none. */
  quantile(share: number): number | undefined
  merge(counts: Counts): void
  /** What `merge` takes. */
  counts(): Counts
}

export type Counts = Uint32Array

const EXACT = 128
const PER_OCTAVE = 64
const LONGEST = 2 ** 31 - 1
const BUCKETS = bucketOf(LONGEST) + 1

export function createHistogram(from?: Counts): Histogram {
  const buckets = new Uint32Array(BUCKETS)
  let count = 0

  const self: Histogram = {
    get count() {
      return count
    },
    record(micros) {
      const value = micros < 0 ? 0 : micros > LONGEST ? LONGEST : Math.round(micros)
      const bucket = bucketOf(value)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
      count += 1
    },
    quantile(share) {
      if (count === 0) return undefined
      const rank = Math.max(1, Math.ceil(share * count))
      let seen = 0
      for (const [bucket, held] of buckets.entries()) {
        seen += held
        if (seen >= rank) return middleOf(bucket)
      }
      return undefined
    },
    merge(counts) {
      for (const [bucket, held] of counts.entries()) {
        buckets[bucket] = (buckets[bucket] ?? 0) + held
        count += held
      }
    },
    counts: () => buckets.slice(),
  }
  if (from !== undefined) self.merge(from)
  return self
}

/** In ms; undefined of none. */
export function quantileMs(counts: Counts, share: number): number | undefined {
  const value = createHistogram(counts).quantile(share)
  return value === undefined ? undefined : value / 1000
}

/** Values below `EXACT` have a bucket each; above, each octave is cut into `PER_OCTAVE`. */
function bucketOf(value: number): number {
  if (value < EXACT) return value
  const shift = 25 - Math.clz32(value)
  return EXACT + (shift - 1) * PER_OCTAVE + (value >>> shift) - PER_OCTAVE
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket
  const shift = Math.floor((bucket - EXACT) / PER_OCTAVE) + 1
  const low = (PER_OCTAVE + ((bucket - EXACT) % PER_OCTAVE)) * 2 ** shift
  return low + 2 ** shift / 2
}
