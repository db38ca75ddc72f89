export interface Pace {
  /** Messages per second. */
  rate: number
  /** All messages of this many ms leave together at its beginning; 0 spaces them evenly. */
  burstMs: number
}

/** How many messages are due after so many ms. */
export function due({ rate, burstMs }: Pace, elapsedMs: number): number {
  if (elapsedMs < 0) return 0
  if (burstMs === 0) return Math.floor((elapsedMs * rate) / 1000) + (rate > 0 ? 1 : 0)
  const bursts = Math.floor(elapsedMs / burstMs) + 1
  return Math.floor((bursts * burstMs * rate) / 1000)
}

/** When the message with this index (from 0) is due, in ms. */
export function dueAt({ rate, burstMs }: Pace, index: number): number {
  if (burstMs === 0) return (index * 1000) / rate
  return (Math.ceil(((index + 1) * 1000) / (burstMs * rate)) - 1) * burstMs
}

/** How much later this one of several alike begins, so that evenly spaced ones are so together, too. */
export function phaseMs({ rate, burstMs }: Pace, share: number): number {
  return burstMs === 0 ? (share * 1000) / rate : 0
}
