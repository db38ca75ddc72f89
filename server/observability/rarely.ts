/** What fails for everybody fails often: one line, and the next only after this long, ms. */
const QUIET_MS = 10_000

/**
 * Says one thing in a while, with how often it was not said since.
 *
 * @param say is called with the number of times that went unsaid before, and what it is about
 */
export function rarely<About extends unknown[]>(
  say: (unsaid: number, ...about: About) => void,
  quietMs = QUIET_MS,
  now: () => number = () => performance.now(),
): (...about: About) => void {
  let saidAt = Number.NEGATIVE_INFINITY
  let unsaid = 0
  return (...about) => {
    if (now() - saidAt < quietMs) {
      unsaid += 1
      return
    }
    say(unsaid, ...about)
    saidAt = now()
    unsaid = 0
  }
}
