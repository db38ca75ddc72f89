/** Named figures of one moment; null where there is nothing to tell. */
export type Sample = Readonly<Record<string, number | null>>

/** Columns of equal length, oldest first. Times are ms since 1970. */
export interface Stretch {
  times: number[]
  series: Record<string, (number | null)[]>
}

/** The recent past of a fixed set of figures, in a fixed amount of memory (D8). */
export interface History {
  add(at: number, sample: Sample): void
  /** All samples after this time. */
  since(time: number): Stretch
  readonly latest: Sample
}

/** @param capacity how many samples are kept */
export function createHistory<Name extends string>(
  names: readonly Name[],
  capacity: number,
): History {
  const times = new Float64Array(capacity)
  // NaN stands for null.
  const columns = new Map<string, Float64Array>(
    names.map((name) => [name, new Float64Array(capacity)]),
  )
  let added = 0
  let latest: Sample = Object.fromEntries(names.map((name) => [name, null]))

  return {
    get latest() {
      return latest
    },
    add(at, sample) {
      const place = added % capacity
      added += 1
      times[place] = at
      for (const [name, column] of columns) column[place] = sample[name] ?? Number.NaN
      latest = sample
    },
    since(time) {
      const places: number[] = []
      for (let index = Math.max(0, added - capacity); index < added; index++) {
        const place = index % capacity
        if ((times[place] ?? 0) > time) places.push(place)
      }
      const series: Stretch['series'] = {}
      for (const [name, column] of columns) {
        series[name] = places.map((place) => rounded(column[place]))
      }
      return { times: places.map((place) => times[place] ?? 0), series }
    },
  }
}

/** Three digits after the point are more than anybody reads off a chart. */
function rounded(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : Math.round(value * 1000) / 1000
}
