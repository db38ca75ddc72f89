import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** A role's state as it is shown in `/health` and logged. */
export type RedisHealth =
  | { state: 'memory' | 'starting' }
  | { state: 'ok'; since: string }
  | { state: 'down'; since: string; kind: string; message: string; failures: number }

export interface RedisEvents {
  failed(kind: string): void
  up(): void
  down(kind: string, message: string): void
  probed(roundTripMs: number): void
  stop(): void
}

/** At most this many lines in that time, whatever happens; what is left out is counted in the next. */
const MAX_LINES = 5
const WINDOW_MS = 120_000
/** While it stays down, one line with the count. */
const REMINDER_MS = 60_000

/**
 * What happens to one Redis role, as metrics and as log lines: one line per change of state, then a
 * count. The system this replaces wrote 271 lines in two minutes about one wrong password.
 */
export function createRedisEvents(
  role: string,
  deps: { logger: Logger; metrics: Metrics; now?: () => number },
): RedisEvents {
  const { metrics } = deps
  const now = deps.now ?? Date.now
  const logger = deps.logger.child({ role })
  const written: number[] = []
  let failures = 0
  let unreported = 0
  let current: { kind: string; message: string; since: number } | undefined
  let reminder: NodeJS.Timeout | undefined

  function mayWrite(): boolean {
    while (written[0] !== undefined && written[0] <= now() - WINDOW_MS) written.shift()
    if (written.length >= MAX_LINES) return false
    written.push(now())
    return true
  }

  function report(): void {
    clearTimeout(reminder)
    if (current !== undefined) {
      reminder = setTimeout(report, REMINDER_MS)
      reminder.unref()
    }
    if (!mayWrite()) {
      unreported += 1
      return
    }
    const left = unreported > 0 ? { changesNotLogged: unreported } : {}
    unreported = 0
    if (current === undefined) {
      logger.info({ failures, ...left }, `Redis ${role} connected`)
      failures = 0
    } else {
      const { kind, message } = current
      const downMs = now() - current.since
      logger.error({ kind, failures, downMs, ...left }, `Redis connection failed: ${message}`)
    }
  }

  return {
    failed(kind) {
      failures += 1
      metrics.redisErrors.inc({ role, kind })
    },
    up() {
      metrics.redisUp.set({ role }, 1)
      current = undefined
      report()
    },
    down(kind, message) {
      metrics.redisUp.set({ role }, 0)
      current = { kind, message, since: current?.since ?? now() }
      report()
    },
    probed: (roundTripMs) => metrics.redisProbe.observe({ role }, roundTripMs / 1000),
    stop: () => clearTimeout(reminder),
  }
}
