import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

const OTHER_SERVERS =
  'Socket.IO servers with @socket.io/redis-adapter use the same Redis: their connections and ours do not hear each other; where they are the same application, move them all at once (docs/MIGRATION.md)'

/** What backends publish into Redis for connections. */
export type ProducerEvents = ReturnType<typeof createProducerEvents>

export function createProducerEvents({ logger, metrics }: { logger: Logger; metrics: Metrics }) {
  const deafTo = new Set<string>()
  let heardServers = false
  return {
    obeyed(producer: string, kind: string): void {
      metrics.producerCommands.inc({ producer, kind })
    },
    refused(producer: string, reason: string): void {
      metrics.producerRefused.inc({ producer, reason })
      if (reason === 'server' && !heardServers) {
        heardServers = true
        logger.warn(OTHER_SERVERS)
      }
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
