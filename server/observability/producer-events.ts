import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** What backends publish into Redis for connections. */
export type ProducerEvents = ReturnType<typeof createProducerEvents>

export function createProducerEvents({ logger, metrics }: { logger: Logger; metrics: Metrics }) {
  const deafTo = new Set<string>()
  return {
    obeyed(producer: string, kind: string): void {
      metrics.producerCommands.inc({ producer, kind })
    },
    refused(producer: string, reason: string): void {
      metrics.producerRefused.inc({ producer, reason })
      logger.debug({ producer, reason }, 'a producer’s message was refused')
    },
    failed(producer: string, error: unknown): void {
      logger.error({ producer, err: error }, 'a handler failed on what a producer sent')
    },
    /** Tried again with every connection; said once. */
    deaf(producer: string, pattern: string): void {
      if (deafTo.has(pattern)) return
      deafTo.add(pattern)
      logger.warn(
        { producer, pattern },
        `Redis does not allow this user to listen to ${producer} producers: add +psubscribe &${pattern} to its ACL rule ("roomwire acl" prints it), or turn them off`,
      )
    },
  }
}
