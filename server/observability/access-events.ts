import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { rarely } from './rarely.ts'

/** What happens around who may do what; a metric each, and a log line where something is wrong. */
export type AccessEvents = ReturnType<typeof createAccessEvents>

export function createAccessEvents(deps: { logger: Logger; metrics: Metrics }) {
  const { logger, metrics } = deps

  function failing(what: string, words: string) {
    const warn = rarely((unsaid, error: unknown) => logger.warn({ err: error, unsaid }, words))
    return (error: unknown) => {
      metrics.accessFailures.inc({ what })
      warn(error)
    }
  }

  return {
    /** A connection was ended because of who it is or what it did. */
    expelled(code: string): void {
      metrics.expelled.inc({ code })
    },
    revocationsUnknown: failing('revocations', 'the revocations cannot be read'),
    identifyFailed: failing('identify', 'it could not be told who connects'),
    authorizeFailed: failing('authorize', 'it could not be told who may do what'),
    /** @param file the variable that names it */
    keyFile: (file: string) => ({
      changed: () => logger.info(`${file} holds another key, which counts from now on`),
      unusable: (reason: string) =>
        logger.error({ reason }, `${file} cannot be used; the key from before goes on`),
    }),
    keySet: {
      failed: failing('key_set', 'the keys of the issuer cannot be read (JWT_JWKS_URL)'),
      recovered: () => logger.info('the keys of the issuer can be read again'),
    },
  }
}
