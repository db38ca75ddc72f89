import { randomUUID } from 'node:crypto'
import type { Config } from './config.ts'
import { createAccessEvents } from './observability/access-events.ts'
import { createEvents } from './observability/events.ts'
import { createFeed } from './observability/feed.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { createMetrics } from './observability/metrics.ts'
import { createOperatorNotes } from './observability/operator-notes.ts'
import { createOverloadEvents } from './observability/overload-events.ts'
import { createProducerEvents } from './observability/producer-events.ts'
import { createTracing } from './observability/tracing.ts'

/** What an instance says of itself, and where: the log, metrics, the operations page, traces. */
export type Observability = ReturnType<typeof createObservability>

export function createObservability(
  config: Pick<Config, 'logLevel' | 'instanceId' | 'tracing'>,
  logger: Logger = createLogger({ level: config.logLevel, instance: config.instanceId }),
) {
  const metrics = createMetrics()
  const feed = createFeed(config.instanceId, randomUUID())
  const notes = createOperatorNotes(feed)
  const sinks = { logger, metrics, notes }
  return {
    ...sinks,
    feed,
    events: createEvents(sinks),
    accessEvents: createAccessEvents(sinks),
    overloadEvents: createOverloadEvents(sinks),
    producerEvents: createProducerEvents(sinks),
    /** Undefined: off. */
    tracing: config.tracing ? createTracing(config.instanceId) : undefined,
  }
}
