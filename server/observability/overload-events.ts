import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'

/** Refusals further apart than this are of two crowds, each worth a line. */
const CALM_MS = 10_000

/** What is told of an instance that cannot keep up: one log line when it begins and one at its end. */
export type OverloadEvents = ReturnType<typeof createOverloadEvents>

export function createOverloadEvents(deps: {
  logger: Logger
  metrics: Metrics
  notes?: OperatorNotes
}) {
  const { logger, metrics, notes } = deps
  let episode: { since: number; level: number; volatile: number; refused: number } | undefined
  let refusedAt = Number.NEGATIVE_INFINITY
  // A counter that begins with its first refusal shows no increase.
  for (const reason of ['connections', 'queue', 'wait']) metrics.connectsRefused.inc({ reason }, 0)

  return {
    overload(level: number, delayMs: number): void {
      metrics.overloadLevel.set(level)
      const turnMs = Math.round(delayMs)
      if (episode === undefined) {
        episode = { since: performance.now(), level, volatile: 0, refused: 0 }
        logger.warn({ level, turnMs }, 'overloaded: volatile events are dropped first')
        notes?.overloaded(turnMs)
        return
      }
      episode.level = Math.max(episode.level, level)
      if (level > 0) return
      const { since, level: highest, volatile, refused } = episode
      const seconds = Math.round((performance.now() - since) / 100) / 10
      logger.info({ seconds, level: highest, volatile, refused }, 'no longer overloaded')
      notes?.overloadEnded(seconds, refused)
      episode = undefined
    },
    shedVolatile(): void {
      metrics.shed.inc({ what: 'volatile' })
      if (episode !== undefined) episode.volatile += 1
    },
    /** A newcomer was sent away before its handshake. */
    connectRefused(reason: string): void {
      metrics.connectsRefused.inc({ reason })
      if (episode !== undefined) episode.refused += 1
      const calmMs = performance.now() - refusedAt
      refusedAt = performance.now()
      if (calmMs <= CALM_MS) return
      logger.warn({ reason }, 'new connections are refused')
      notes?.connectsRefused(reason)
    },
  }
}
