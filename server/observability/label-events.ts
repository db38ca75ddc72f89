import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'
import { rarely } from './rarely.ts'

/** At most one line about failures in this time, ms. */
const QUIET_MS = 60_000

/** What happens to labels: what the classification and the classifier report to. */
export function createLabelEvents(deps: {
  logger: Logger
  metrics: Metrics
  notes: OperatorNotes
}) {
  const { logger, metrics, notes } = deps
  const warn = rarely(
    (unsaid, kind: string, error: unknown) =>
      logger.warn({ kind, unsaid, err: error }, 'messages go without labels'),
    QUIET_MS,
  )
  return {
    ended(outcome: string, ms: number): void {
      metrics.classifications.inc({ outcome })
      if (outcome === 'labelled') metrics.labelDelay.observe(ms / 1000)
    },
    failed: warn,
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
