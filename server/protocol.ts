import { type core, z } from 'zod'

/** The version that `gateway:hello` reports; it changes when an existing client would break. */
export const PROTOCOL_VERSION = 1

/** Longest room name, in bytes of UTF-8. */
export const MAX_ROOM_BYTES = 200
/** Longest message id and session, in UTF-16 code units. */
export const MAX_ID_LENGTH = 128
/** Requests of one connection that may wait for their answers at once. */
export const MAX_PENDING = 10_000
/** Levels of arrays and objects in a body. */
export const MAX_BODY_DEPTH = 100
/** What `room:join`, `room:history` and `room:members` return when no `limit` is given. */
export const DEFAULT_HISTORY = 50
/** Largest `limit` of `room:join`, `room:history` and `room:members`. */
export const MAX_HISTORY = 1000
/**
 * A place in a room's log: everything up to and including `offset` is behind it. `at` is the time of
 * the entry at `offset` (ms since 1970, by Redis' clock) and makes the position verifiable after a
 * rollback; an empty room is `{ epoch, offset: 0 }`.
 */
export interface Position {
  epoch: string
  offset: number
  at?: number
}

/** Who sent a message: a stable public id, never the session. */
export interface Sender {
  id: string
  name?: string
}

/** What a classifier says of a message, by name: `{ language: 'en' }`. */
export type Labels = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** A stored message as members see it (`room:message`, `messages` of join and history). */
export interface RoomMessage {
  room: string
  epoch: string
  offset: number
  id: string
  from: Sender
  body: unknown
  at: number
  /** Only in replies, of a message that was classified. */
  labels?: Labels
}

/** `room:labels`: follows a message that members have; may be lost, and is in replies then. */
export interface LabelsEvent {
  room: string
  epoch: string
  offset: number
  labels: Labels
}

export type GatewayState = 'ok' | 'degraded'
/** What an acknowledged message survives: see docs/PROTOCOL.md, D1. */
export type Durability = 'durable' | 'best-effort' | 'memory'

export interface Limits {
  maxBodyBytes: number
  maxRoomBytes: number
  maxRooms: number
  maxIdLength: number
  maxHistory: number
  resumeMax: number
  dedupWindowMs: number
}

export interface HelloReply {
  protocol: number
  instance: string
  user: Sender
  limits: Limits
  state: GatewayState
  durability: Durability
  /** When the token expires; absent where there is none. */
  expiresAt?: number
}

/** `left`: rooms that the new token gives no right to join; absent where there are none. */
export interface RefreshReply {
  expiresAt: number
  left?: string[]
}

export interface JoinReply {
  room: string
  position: Position
  recovered: boolean
  messages: RoomMessage[]
}

export interface SendReply {
  id: string
  position: Position
  duplicate: boolean
  at: number
}

export interface HistoryReply {
  messages: RoomMessage[]
}

/** Who is in a room. `missing`: instances that do not answer, whose users may be others by now. */
export interface MembersReply {
  /** Users, not connections. */
  count: number
  /** The first `limit`, by `since` (ms since 1970). */
  members: { user: Sender; since: number }[]
  missing?: string[]
}

/** Told to those who asked with `presence`: a user came, or went with the last connection. */
export interface PresenceEvent {
  room: string
  event: 'join' | 'leave'
  user: Sender
}

export interface ResetEvent {
  room: string
  position: Position
}

export interface StatusEvent {
  state: GatewayState
  reason?: string
}

/** Sent before a disconnect by us; `reconnect: false` means stay away. */
export interface ByeEvent {
  code: string
  reconnect: boolean
  retryAfterMs?: number
}

const utf8 = new TextEncoder()

/** A room's name. */
export const roomName = z
  .string()
  .refine(
    (name) => name.length > 0 && name.isWellFormed(),
    'must be a non-empty, well-formed string',
  )
  .refine(
    (name) => name.length <= MAX_ROOM_BYTES && utf8.encode(name).length <= MAX_ROOM_BYTES,
    `must be at most ${MAX_ROOM_BYTES} bytes of UTF-8`,
  )

/** A string without lone surrogates, of 1 to so many UTF-16 code units. */
export const wellFormed = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => value.isWellFormed(), 'must be well-formed')

/** The id that a sender gives a message. */
export const messageId = wellFormed(MAX_ID_LENGTH)

const offset = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

const position = z.object({
  epoch: z.string().min(1).max(64),
  offset,
  at: offset.optional(),
})

const limit = z.number().int().min(0).max(MAX_HISTORY)

/** Request validators by event. Unknown keys are ignored, so that newer clients can talk to us. */
export const requests = {
  'gateway:hello': z.object({}),
  'room:join': z.object({
    room: roomName,
    since: position.optional(),
    limit: limit.default(DEFAULT_HISTORY),
    presence: z.boolean().optional(),
  }),
  'room:leave': z.object({ room: roomName }),
  'room:send': z.object({ room: roomName, id: messageId, body: z.unknown() }),
  'room:history': z.object({
    room: roomName,
    before: offset.optional(),
    limit: limit.default(DEFAULT_HISTORY),
  }),
  'auth:refresh': z.object({ token: z.string().min(1) }),
  'room:members': z.object({ room: roomName, limit: limit.default(DEFAULT_HISTORY) }),
  'room:typing': z.object({ room: roomName, typing: z.boolean() }),
} as const

export type RequestName = keyof typeof requests
export type Request<Name extends RequestName> = z.output<(typeof requests)[Name]>

/** The handshake's `auth`. `name` is taken only while `AUTH_MODE` is `none`. */
export const handshakeAuth = z.object({
  token: z.string().max(16_384).optional(),
  session: wellFormed(MAX_ID_LENGTH).optional(),
  name: wellFormed(64).optional(),
})
export type HandshakeAuth = z.output<typeof handshakeAuth>

/** What is wrong with an input, in words that begin with its field. */
export function problemOf({ issues }: z.ZodError, whole: string): string {
  const issue = closest(issues)
  const field = issue?.path.join('.') || whole
  return `${field}: ${issue ? wording(issue) : 'is not valid'}`
}

/** Of alternatives, the one that the input came closest to. */
function closest(issues: readonly core.$ZodIssue[]): core.$ZodIssue | undefined {
  const [issue] = issues
  if (issue?.code !== 'invalid_union') return issue
  const tried = issue.errors.map(closest).filter((each) => each !== undefined)
  return tried.reduce((a, b) => (closeness(b) > closeness(a) ? b : a), tried[0] ?? issue)
}

function closeness({ path, code }: core.$ZodIssue): number {
  return 2 * path.length + (code === 'invalid_type' ? 0 : 1)
}

const TYPES: Partial<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
}

const UNITS: Partial<Record<string, string>> = { string: ' characters', array: ' entries' }

/** The validator's own words are about its schema, not about the request. */
function wording(issue: core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is missing'
      return `must be ${TYPES[issue.expected] ?? issue.expected}`
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `must be at least ${issue.minimum}`
        : 'must not be empty'
    case 'too_big':
      return `must be at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`
    default:
      return issue.message
  }
}
