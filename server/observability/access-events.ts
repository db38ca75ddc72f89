import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** What happens around who may do what; a metric each, and a log line where something is wrong. */
export type AccessEvents = ReturnType<typeof createAccessEvents>

/** What fails for everybody fails often: one line, and the next only after this long. */
const QUIET_MS = 10_000

export function createAccessEvents(deps: { logger: Logger; metrics: Metrics }) {
  const { logger, metrics } = deps

  function rarely(what: string, words: string) {
    let since = Number.NEGATIVE_INFINITY
    let unsaid = 0
    return (error: unknown) => {
      metrics.accessFailures.inc({ what })
      if (performance.now() - since < QUIET_MS) {
        unsaid += 1
        return
      }
      logger.warn({ err: error, unsaid }, words)
      since = performance.now()
      unsaid = 0
    }
  }

  return {
    /** A connection was ended because of who it is or what it did. */
    expelled(code: string): void {
      metrics.expelled.inc({ code })
    },
    revocationsUnknown: rarely('revocations', 'the revocations cannot be read'),
    authorizeFailed: rarely('authorize', 'it could not be told who may do what'),
    /** @param file the variable that names it */
    keyFile: (file: string) => ({
      changed: () => logger.info(`${file} holds another key, which counts from now on`),
      unusable: (reason: string) =>
        logger.error({ reason }, `${file} cannot be used; the key from before goes on`),
    }),
    keySet: {
      failed: rarely('key_set', 'the keys of the issuer cannot be read (JWT_JWKS_URL)'),
      recovered: () => logger.info('the keys of the issuer can be read again'),
    },
  }
}
