import { GatewayError } from '../../errors.ts'
import { RedisFailure } from './failure.ts'

/** What a caller of the log is told: nothing was changed. What is no failure of Redis stays as it is. */
function readError(error: unknown): unknown {
  if (!(error instanceof RedisFailure)) return error
  return new GatewayError('UNAVAILABLE', 'the message store cannot be reached', {
    cause: error,
    retryAfterMs: retryAfterMs(),
  })
}

/** The same, or that it is not known whether something was changed. */
export function writeError(error: unknown): unknown {
  if (!(error instanceof RedisFailure) || !error.outcomeUnknown) return readError(error)
  return new GatewayError(
    'OUTCOME_UNKNOWN',
    'the message may or may not be stored; send it again with the same id',
    { cause: error, retryAfterMs: retryAfterMs() },
  )
}

export function rethrowRead(error: unknown): never {
  throw readError(error)
}

export function rethrowWrite(error: unknown): never {
  throw writeError(error)
}

/** Spread over a second, so that those who were refused together do not come back together. */
function retryAfterMs(): number {
  return Math.round(500 + Math.random() * 1000)
}
