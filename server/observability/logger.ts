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
