import type {
  ByeEvent,
  HelloReply,
  HistoryReply,
  JoinReply,
  Position,
  ResetEvent,
  RoomMessage,
  Sender,
  SendReply,
  StatusEvent,
} from '../../server/protocol.ts'

/** Why a request was not done. `code` may be newer than this page, hence any string. */
export interface WireError {
  code: string
  message: string
  retryable: boolean
  retryAfterMs?: number
}

export type Reply<Result> = ({ ok: true } & Result) | { ok: false; error: WireError }

export interface TypingEvent {
  room: string
  from: Sender
  typing: boolean
}

/** Requests by event: what goes out and what a successful reply carries. */
export interface Requests {
  'gateway:hello': { payload: Record<string, never>; result: HelloReply }
  'room:join': {
    payload: { room: string; since?: Position; limit?: number }
    result: JoinReply
  }
  'room:leave': { payload: { room: string }; result: Record<never, never> }
  'room:send': { payload: { room: string; id: string; body: unknown }; result: SendReply }
  'room:history': {
    payload: { room: string; before?: number; limit?: number }
    result: HistoryReply
  }
}

/** What the gateway emits unasked. */
export interface GatewayEvents {
  'room:message': (message: RoomMessage) => void
  'room:reset': (event: ResetEvent) => void
  'room:typing': (event: TypingEvent) => void
  'gateway:status': (event: StatusEvent) => void
  'gateway:drain': (event: { reconnectInMs: number }) => void
  'gateway:bye': (event: ByeEvent) => void
}

/** A request that was refused, or got no answer; `retryable` ones may be repeated as they are. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  readonly code: string
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined

  constructor(error: WireError) {
    super(error.message)
    this.code = error.code
    this.retryable = error.retryable
    this.retryAfterMs = error.retryAfterMs
  }
}

/** The failure in any thrown value; what is no `RequestFailed` is a fault of this page and final. */
export function failureOf(thrown: unknown): RequestFailed {
  if (thrown instanceof RequestFailed) return thrown
  return new RequestFailed({ code: 'PAGE_ERROR', message: String(thrown), retryable: false })
}
