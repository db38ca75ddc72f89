/**
 * Every code a client can be answered with (docs/PROTOCOL.md lists what each one asks of the client).
 * Codes are stable; messages are not.
 */
export type ErrorCode =
  /** The request is malformed; the message names the field. Never retryable. */
  | 'BAD_REQUEST'
  /** The body is longer than `MAX_BODY_BYTES`. */
  | 'TOO_LARGE'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  /** The store cannot be reached; the message was certainly not stored. Retryable. */
  | 'UNAVAILABLE'
  /** It is not known whether the message was stored; retry with the same id (D2, D7). */
  | 'OUTCOME_UNKNOWN'
  /** This instance has too much in flight. Retryable. */
  | 'OVERLOADED'
  | 'RATE_LIMITED'
  /** More of something than one connection may have, such as rooms; the message says what. */
  | 'LIMIT_REACHED'
  /** This instance is stopping; come back to another one. Retryable. */
  | 'DRAINING'
  | 'INTERNAL'

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'RATE_LIMITED',
  'DRAINING',
])

/** What a client receives in place of a result. `retryAfterMs` is in milliseconds. */
export interface WireError {
  code: ErrorCode
  message: string
  retryable: boolean
  retryAfterMs?: number
}

/**
 * The one error that crosses module borders. `message` is safe to show to a client; what must stay
 * inside (a Redis reply, a stack) goes into `cause` and reaches only the log.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.code)
  }
}

/**
 * The system's code for why a `fetch` failed: `ECONNREFUSED`, `ENOTFOUND`; undefined where it has none.
 * Its message may hold the URL, which may hold a key.
 */
export function fetchFailureCode(error: unknown): string | undefined {
  return error instanceof Error
    ? (error.cause as NodeJS.ErrnoException | undefined)?.code
    : undefined
}

/** The wire form of any thrown value; what is not a GatewayError becomes an opaque `INTERNAL`. */
export function toWireError(error: unknown): WireError {
  if (!(error instanceof GatewayError)) {
    return { code: 'INTERNAL', message: 'internal error', retryable: false }
  }
  const wire: WireError = {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
  }
  if (error.retryAfterMs !== undefined) wire.retryAfterMs = error.retryAfterMs
  return wire
}
