import type { ZodType } from 'zod'
import { GatewayError } from '../errors.ts'
import {
  DEFAULT_HISTORY,
  MAX_BODY_DEPTH,
  MAX_ID_LENGTH,
  MAX_ROOM_BYTES,
  problemOf,
  type Request,
  type RequestName,
  requests,
} from '../protocol.ts'
import { isBinary } from './engine.ts'

/**
 * The request of a payload as it came from the wire.
 *
 * @throws GatewayError BAD_REQUEST, whose message begins with the field
 */
export function parseRequest<Name extends RequestName>(
  name: Name,
  payload: unknown,
): Request<Name> {
  const plain =
    name === 'room:send'
      ? plainSend(payload)
      : name === 'room:join'
        ? plainJoin(payload)
        : undefined
  if (plain !== undefined) return plain as Request<Name>
  const schema: ZodType = requests[name]
  return parse(schema, payload, 'payload') as Request<Name>
}

/**
 * @param whole what the message begins with where no field is at fault
 * @throws GatewayError BAD_REQUEST, whose message begins with the field
 */
export function parse<T>(schema: ZodType<T>, payload: unknown, whole: string): T {
  const parsed = schema.safeParse(payload)
  if (parsed.success) return parsed.data
  throw new GatewayError('BAD_REQUEST', problemOf(parsed.error, whole))
}

/**
 * What the schema makes of a `room:send`, where that takes no more than a look: there are more of them
 * than of all others together. Undefined leaves it to the schema, which knows all cases and the words.
 */
function plainSend(payload: unknown): Request<'room:send'> | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { room, id, body } = payload as Partial<Record<string, unknown>>
  if (typeof room !== 'string' || typeof id !== 'string' || body === undefined) return undefined
  if (!isPlainRoom(room)) return undefined
  if (id.length === 0 || id.length > MAX_ID_LENGTH || !id.isWellFormed()) return undefined
  return { room, id, body }
}

/** The same for a `room:join` with nothing but a room, which everybody sends once at least. */
function plainJoin(payload: unknown): Request<'room:join'> | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { room, since, limit, presence } = payload as Partial<Record<string, unknown>>
  if (since !== undefined || limit !== undefined || presence !== undefined) return undefined
  return typeof room === 'string' && isPlainRoom(room)
    ? { room, limit: DEFAULT_HISTORY }
    : undefined
}

function isPlainRoom(room: string): boolean {
  // A code unit is three bytes of UTF-8 at most.
  return room.length > 0 && room.length * 3 <= MAX_ROOM_BYTES && room.isWellFormed()
}

/**
 * The JSON text of a body.
 *
 * @throws GatewayError BAD_REQUEST for what is not JSON, TOO_LARGE beyond `maxBytes` of UTF-8
 */
export function bodyText(body: unknown, maxBytes: number): string {
  requireJson(body, 0)
  const text = JSON.stringify(body)
  // A code unit is three bytes of UTF-8 at most: what is short needs no count.
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
    throw new GatewayError('TOO_LARGE', `body: must be at most ${maxBytes} bytes of JSON`)
  }
  return text
}

/** Binary attachments arrive as Buffers, which JSON would silently turn into something else. */
function requireJson(value: unknown, depth: number): void {
  if (value === undefined) throw new GatewayError('BAD_REQUEST', 'body: is missing')
  if (value === null || typeof value !== 'object') {
    if (typeof value !== 'number' || Number.isFinite(value)) return
    // 1e400 is JSON, and no number here: it would be stored as null.
    throw new GatewayError('BAD_REQUEST', 'body: a number is too large')
  }
  if (depth >= MAX_BODY_DEPTH) {
    throw new GatewayError(
      'BAD_REQUEST',
      `body: must be nested at most ${MAX_BODY_DEPTH} levels deep`,
    )
  }
  if (isBinary(value)) {
    throw new GatewayError('BAD_REQUEST', 'body: must be JSON, not binary')
  }
  for (const item of Object.values(value)) requireJson(item, depth + 1)
}
