export type Unit = 'count' | 'rate' | 'ms'

/** A figure as short as an operator wants it; a dash where there is none. */
export function inWords(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined) return '–'
  const digits = unit === 'count' || value >= 100 || value === 0 ? 0 : value >= 10 ? 1 : 2
  const number = value.toLocaleString('en', { maximumFractionDigits: digits })
  return unit === 'ms' ? `${number} ms` : unit === 'rate' ? `${number}/s` : number
}

/** `14 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

export function megabytes(bytes: number): string {
  return bytes === 0 ? '–' : `${Math.round(bytes / 1_048_576).toLocaleString('en')} MB`
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** `03:04:05`, in the time zone of who looks. */
export function clock(ms: number): string {
  return CLOCK.format(ms)
}
