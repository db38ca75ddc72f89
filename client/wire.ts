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
} from '../server/protocol.ts'
import type { ErrorShape } from './errors.ts'

export type Reply<Result> = ({ ok: true } & Result) | { ok: false; error: ErrorShape }

/** Who is in a room. `missing`: instances that did not answer in time. */
export interface Members {
  count: number
  members: { user: Sender; since: number }[]
  missing?: string[]
}

export interface TypingEvent {
  room: string
  from: Sender
  typing: boolean
}

export interface PresenceEvent {
  room: string
  event: 'join' | 'leave'
  user: Sender
}

/** Requests by event: what goes out, and what a successful reply carries. */
export interface Requests {
  /** `expiresAt`: of the token, ms since 1970, by gateways that check tokens. */
  'gateway:hello': [Record<string, never>, HelloReply & { expiresAt?: number }]
  'auth:refresh': [{ token: string }, { expiresAt?: number }]
  'room:join': [{ room: string; since?: Position; limit?: number; presence?: boolean }, JoinReply]
  'room:leave': [{ room: string }, object]
  'room:send': [{ room: string; id: string; body: unknown }, SendReply]
  'room:history': [{ room: string; before?: number; limit?: number }, HistoryReply]
  'room:members': [{ room: string; limit?: number }, Members]
}

/** What the gateway emits unasked. */
export interface GatewayEvents {
  'room:message': RoomMessage
  'room:reset': ResetEvent
  'room:typing': TypingEvent
  'room:presence': PresenceEvent
  'gateway:status': StatusEvent
  'gateway:drain': { reconnectInMs: number }
  'gateway:bye': ByeEvent
}
