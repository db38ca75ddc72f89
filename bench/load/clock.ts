/** µs of a clock that all processes of a machine share (CLOCK_MONOTONIC), so that they may compare. */
export function micros(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1000
}
