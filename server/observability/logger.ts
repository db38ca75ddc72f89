import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/**
 * JSON lines on standard output. Secrets never reach it: no function in this project is given a URL
 * or a configuration to log, and errors of the Redis client are logged by kind (broker/redis/failure).
 */
export function createLogger(
  options: { level: string; instance: string },
  destination?: DestinationStream,
): Logger {
  const settings = {
    level: options.level,
    base: { instance: options.instance },
    serializers: { err: pino.stdSerializers.err },
  }
  return destination === undefined ? pino(settings) : pino(settings, destination)
}

/** How long whoever reads standard output has to take what is left when the process ends, ms. */
const LAST_WORDS_MS = 300

/** Standard output of a process that ends by itself, also where nobody reads it. */
export interface StandardOutput {
  readonly destination: DestinationStream
  /** Resolves when all was written, or nobody takes it. Nothing may be logged afterwards. */
  end(): Promise<void>
}

export function createStandardOutput(): StandardOutput {
  const destination = pino.destination({ fd: 1, sync: false })
  // At a process' exit, and after a fatal line, pino would write what is left without giving up: where the
  // reader is gone, or stalled, for ever.
  destination.flushSync = () => undefined
  let ended = false
  return {
    destination,
    async end() {
      if (ended) return
      ended = true
      const written = once(destination, 'close').catch(() => undefined)
      destination.end()
      await Promise.race([written, sleep(LAST_WORDS_MS)])
    },
  }
}
