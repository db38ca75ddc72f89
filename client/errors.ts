/** Why something was not done, as the gateway says it on the wire. */
export interface ErrorShape {
  code: string
  message: string
  retryable: boolean
  retryAfterMs?: number
}

/**
 * The one error of this client. `code` is the gateway's (docs/PROTOCOL.md, Errors) or one of ours:
 * `OFFLINE` (not connected), `TIMEOUT` (no answer), `TOKEN_FAILED` (your `token` function threw),
 * `SENT_AWAY` (the gateway ended the connection for good), `OUTBOX_FULL`, `DISCARDED`, `CLOSED`,
 * `RESET` and `TOO_SLOW` (of an iteration).
 */
export class RoomwireError extends Error {
  declare readonly code: string
  /** The same request may be repeated as it is. */
  declare readonly retryable: boolean
  /** Not before this many ms. */
  declare readonly retryAfterMs: number | undefined

  constructor(code: string, message: string, retryable = false, retryAfterMs?: number) {
    super(message)
    Object.assign(this, { name: 'RoomwireError', code, retryable, retryAfterMs })
  }
}

export function fromWire({ code, message, retryable, retryAfterMs }: ErrorShape): RoomwireError {
  return new RoomwireError(code, message, retryable, retryAfterMs)
}
