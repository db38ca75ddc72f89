/** A metric of prom-client, as far as it is read here. */
interface Readable {
  get(): Promise<{ values: readonly Value[] }>
}

interface Value {
  value: number
  labels: Partial<Record<string, string | number>>
  /** With a histogram: which of its series this belongs to. */
  metricName?: string | undefined
}

/** The sum of a metric's series, those with all of `labels`. */
export async function readTotal(
  metric: Readable,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { values } = await metric.get()
  let sum = 0
  for (const { value, labels: own } of values) {
    if (Object.entries(labels).every(([name, wanted]) => own[name] === wanted)) sum += value
  }
  return sum
}

/** A metric's sums by the values of one label. */
export async function readByLabel(metric: Readable, label: string): Promise<Map<string, number>> {
  const { values } = await metric.get()
  const sums = new Map<string, number>()
  for (const { value, labels } of values) {
    const key = String(labels[label] ?? '')
    sums.set(key, (sums.get(key) ?? 0) + value)
  }
  return sums
}

/** A histogram at one moment; `counts` are cumulative, one for each bound. */
export interface Distribution {
  bounds: readonly number[]
  counts: readonly number[]
  sum: number
  count: number
}

export async function readDistribution(
  histogram: Readable,
  labels: Readonly<Record<string, string>> = {},
): Promise<Distribution> {
  const { values } = await histogram.get()
  const bounds: number[] = []
  const counts: number[] = []
  let sum = 0
  let count = 0
  for (const { value, labels: own, metricName = '' } of values) {
    if (Object.entries(labels).some(([name, wanted]) => own[name] !== wanted)) continue
    if (metricName.endsWith('_sum')) sum += value
    else if (metricName.endsWith('_count')) count += value
    else {
      bounds.push(own['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(own['le']))
      counts.push(value)
    }
  }
  return { bounds, counts, sum, count }
}

/**
 * A quantile of what a histogram took in between two readings, by straight lines within its buckets,
 * as Prometheus does; null where it took in nothing. Beyond the last bound it is that bound.
 */
export function quantileBetween(
  before: Distribution | undefined,
  after: Distribution,
  q: number,
): number | null {
  const taken = after.counts.map((count, index) => count - (before?.counts[index] ?? 0))
  const all = after.count - (before?.count ?? 0)
  if (all <= 0) return null
  const rank = q * all
  const index = taken.findIndex((count) => count >= rank)
  const upper = after.bounds[index] ?? Number.POSITIVE_INFINITY
  const lower = index > 0 ? (after.bounds[index - 1] ?? 0) : 0
  if (!Number.isFinite(upper)) return after.bounds.findLast(Number.isFinite) ?? null
  const below = index > 0 ? (taken[index - 1] ?? 0) : 0
  const inside = (taken[index] ?? 0) - below
  return inside === 0 ? upper : lower + ((upper - lower) * (rank - below)) / inside
}

/** The mean of what a histogram took in between two readings; null where it took in nothing. */
export function meanBetween(before: Distribution | undefined, after: Distribution): number | null {
  const count = after.count - (before?.count ?? 0)
  return count <= 0 ? null : (after.sum - (before?.sum ?? 0)) / count
}
