import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'

/** At most one line about failures in this time. */
const QUIET_MS = 60_000

/** What happens to labels: what the classification and the classifier report to. */
export function createLabelEvents(deps: {
  logger: Logger
  metrics: Metrics
  notes: OperatorNotes
  now?: () => number
}) {
  const { logger, metrics, notes } = deps
  const now = deps.now ?? (() => performance.now())
  let writtenAt = Number.NEGATIVE_INFINITY
  let failures = 0
  return {
    ended(outcome: string, ms: number): void {
      metrics.classifications.inc({ outcome })
      if (outcome === 'labelled') metrics.labelDelay.observe(ms / 1000)
    },
    failed(kind: string, error: unknown): void {
      failures += 1
      if (now() - writtenAt < QUIET_MS) return
      writtenAt = now()
      logger.warn({ kind, failures, err: error }, 'messages go without labels')
      failures = 0
    },
    called(outcome: string, ms: number): void {
      metrics.classifierCalls.inc({ outcome })
      metrics.classifierCall.observe(ms / 1000)
    },
    breaker(open: boolean, cause: string | undefined): void {
      metrics.classifierOpen.set(open ? 1 : 0)
      if (open) {
        logger.warn({ kind: cause }, 'the classifier fails: it is left alone for a while')
        notes.classifierLost(cause ?? 'it fails')
      } else {
        logger.info('the classifier works again')
        notes.classifierBack()
      }
    },
    hookFailed(error: unknown): void {
      logger.error({ err: error }, 'afterStore failed')
    },
  }
}
