import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'

/** What a link says of itself; the broker's `LinkState` has this shape. */
type State =
  | { name: 'starting' }
  | { name: 'ok'; since: number }
  | { name: 'down'; since: number; kind: string; message: string; failures: number }

/** A role's state as `/health` shows it. Times are ISO 8601. */
export type RedisHealth =
  | { state: 'memory' | 'starting' }
  | {
      state: 'ok'
      since: string
      /** What the Redis user may not, and what is missed without it. */
      noperm?: readonly string[]
    }
  | { state: 'down'; since: string; kind: string; message: string; failures: number }

/** Follows one Redis role; the first three are what its link reports to. */
export interface RedisEvents {
  failed(failure: { kind: string }): void
  changed(state: State): void
  probed(roundTripMs: number): void
  /** The server's certificate is valid until then, ms since 1970. */
  certified(untilMs: number): void
  /** These optional rights are missing; told after every connect. */
  limited(missing: readonly { command: string; without?: string }[]): void
  health(): RedisHealth
  stop(): void
}

/** At most this many lines in that time, whatever happens; a change that found no room comes later. */
const MAX_LINES = 5
const WINDOW_MS = 120_000
/** While it stays down, one line with the count. */
const REMINDER_MS = 60_000
/** A closed connection is only named as such if nothing more telling follows, such as `refused`. */
const SETTLE_MS = 1000
/** Those that alerts count: a counter that begins with its first failure shows no increase. */
const COUNTED_KINDS = ['noauth', 'wrongpass', 'noperm', 'oom', 'maxclients']

/** Failures that the password may be to blame for. */
const LOG_IN: ReadonlySet<string> = new Set(['wrongpass', 'noauth'])

/**
 * What happens to one Redis role, as metrics and as log lines: one line per change of state, then a
 * count.
 *
 * @param deps.address where this Redis is, `host:port/database`; in every line
 * @param deps.hint added where Redis refuses the password
 */
export function createRedisEvents(
  role: string,
  deps: {
    logger: Logger
    metrics: Metrics
    address: string
    hint?: string | undefined
    /** The variable that the password comes from. */
    passwordFrom?: string | undefined
    notes?: OperatorNotes
    now?: () => number
  },
): RedisEvents {
  const { metrics, hint, notes } = deps
  const now = deps.now ?? Date.now
  const logger = deps.logger.child({ role, redis: deps.address })
  const written: number[] = []
  let state: State = { name: 'starting' }
  let noperm: readonly string[] = []
  let failures = 0
  /** How long it was down before it came back, ms. */
  let downMs: number | undefined
  /** What the last line said; a state that is back to it needs none. */
  let reported = 'starting'
  let timer: NodeJS.Timeout | undefined
  /** Names the outage's kind to operators, once one is known. */
  let nameKind: ((kind: string) => void) | undefined
  for (const kind of COUNTED_KINDS) metrics.redisErrors.inc({ role, kind }, 0)
  metrics.redisOutages.inc({ role }, 0)

  function messageOf(down: State & { name: 'down' }): string {
    return down.kind === 'wrongpass' && hint ? `${down.message}; ${hint}` : down.message
  }

  function later(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(report, ms)
    timer.unref()
  }

  function report(): void {
    clearTimeout(timer)
    const current = state.name === 'down' ? state.kind : state.name
    if (current === reported && state.name !== 'down') return
    while (written[0] !== undefined && written[0] <= now() - WINDOW_MS) written.shift()
    const oldest = written[0]
    if (oldest !== undefined && written.length >= MAX_LINES) {
      later(oldest + WINDOW_MS - now() + 1)
      return
    }
    written.push(now())
    reported = current
    if (state.name === 'down') {
      const { kind, since } = state
      // Never the password: the variable that somebody has to look at.
      const from = deps.passwordFrom !== undefined && LOG_IN.has(kind)
      logger.error(
        { kind, ...(from && { variable: deps.passwordFrom }), failures, downMs: now() - since },
        `Redis connection failed: ${messageOf(state)}`,
      )
      later(REMINDER_MS)
    } else {
      logger.info({ failures, ...(downMs !== undefined && { downMs }) }, `Redis ${role} connected`)
      failures = 0
      downMs = undefined
    }
  }

  return {
    failed({ kind }) {
      failures += 1
      metrics.redisErrors.inc({ role, kind })
    },
    changed(next) {
      if (state.name === 'down' && next.name === 'ok') {
        downMs = now() - state.since
        nameKind = undefined
        notes?.redisBack(role, downMs)
      }
      if (state.name === 'ok' && next.name === 'down') metrics.redisOutages.inc({ role })
      if (next.name === 'down') {
        if (nameKind === undefined) nameKind = notes?.redisLost(role, next.kind)
        else nameKind(next.kind)
      }
      const reworded = state.name === 'down' && next.name === 'down' && state.kind === next.kind
      state = next
      if (reworded) return // for `/health`; the line was written
      metrics.redisUp.set({ role }, next.name === 'ok' ? 1 : 0)
      if (next.name === 'down' && next.kind === 'closed') later(SETTLE_MS)
      else report()
    },
    certified: (untilMs) => metrics.redisCertificateExpiry.set({ role }, untilMs / 1000),
    probed: (roundTripMs) => metrics.redisProbe.observe({ role }, roundTripMs / 1000),
    limited(missing) {
      const before = noperm.join()
      noperm = missing.map(({ command, without }) => `the command ${command}: ${without}`)
      if (noperm.length === 0 || noperm.join() === before) return
      logger.warn(
        { kind: 'noperm', noperm },
        `the Redis user lacks a right: ${noperm.join('; ')}; "roomwire acl" prints the whole rule`,
      )
    },
    health() {
      if (state.name === 'starting') return { state: 'starting' }
      const since = new Date(state.since).toISOString()
      if (state.name === 'ok') return { state: 'ok', since, ...(noperm.length > 0 && { noperm }) }
      const { kind, failures: count } = state
      return { state: 'down', since, kind, message: messageOf(state), failures: count }
    },
    stop: () => clearTimeout(timer),
  }
}
