import type {
  ByeEvent,
  HelloReply,
  HistoryReply,
  JoinReply,
  LabelsEvent,
  MembersReply,
  Position,
  PresenceEvent,
  RefreshReply,
  ResetEvent,
  RoomMessage,
  Sender,
  SendReply,
  StatusEvent,
} from '../server/protocol.ts'
import type { ErrorShape } from './errors.ts'

export type Reply<Result> = ({ ok: true } & Result) | { ok: false; error: ErrorShape }

export interface TypingEvent {
  room: string
  from: Sender
  typing: boolean
}

/** Requests by event: what goes out, undefined fields left out, and what a successful reply carries. */
export interface Requests {
  'gateway:hello': [Record<string, never>, HelloReply]
  'auth:refresh': [{ token: string }, RefreshReply]
  'room:join': [
    { room: string; since?: Position | undefined; limit?: number; presence?: boolean | undefined },
    JoinReply,
  ]
  'room:leave': [{ room: string }, object]
  'room:send': [{ room: string; id: string; body: unknown }, SendReply]
  'room:history': [{ room: string; before?: number; limit?: number }, HistoryReply]
  'room:members': [{ room: string; limit?: number | undefined }, MembersReply]
}

/** What the gateway emits unasked. */
export interface GatewayEvents {
  'room:message': RoomMessage
  'room:reset': ResetEvent
  'room:typing': TypingEvent
  'room:presence': PresenceEvent
  'room:labels': LabelsEvent
  'gateway:status': StatusEvent
  'gateway:drain': { reconnectInMs: number }
  'gateway:bye': ByeEvent
}
