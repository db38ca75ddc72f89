import type { Stretch } from './data.ts'

/** The figures of the last quarter of an hour, one a second. */
export interface Recent {
  add(stretch: Stretch): void
  clear(): void
  /** Time of the last sample, ms. */
  readonly until: number
  /** The last `seconds` of these columns; times in s, as charts want them. */
  read(names: readonly string[], seconds: number): { times: number[]; columns: Column[] }
  /** The last number in a column that is not older than `seconds`. */
  last(name: string, seconds: number): number | null
}

export type Column = (number | null)[]

const CAPACITY = 900

export function createRecent(): Recent {
  let times: number[] = []
  let series: Record<string, Column> = {}

  return {
    get until() {
      return times.at(-1) ?? 0
    },
    clear() {
      times = []
      series = {}
    },
    add(stretch) {
      const before = times.length
      times = [...times, ...stretch.times].slice(-CAPACITY)
      for (const [name, column] of Object.entries(stretch.series)) {
        const own = series[name] ?? Array<null>(before).fill(null)
        series[name] = [...own, ...column].slice(-CAPACITY)
      }
    },
    read(names, seconds) {
      const from = (times.at(-1) ?? 0) - seconds * 1000
      const first = times.findIndex((time) => time > from)
      const begin = first < 0 ? times.length : first
      return {
        times: times.slice(begin).map((time) => time / 1000),
        columns: names.map((name) => (series[name] ?? []).slice(begin)),
      }
    },
    last(name, seconds) {
      return (series[name] ?? []).slice(-seconds).findLast((value) => value !== null) ?? null
    },
  }
}
