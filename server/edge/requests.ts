import { GatewayError } from '../errors.ts'
import { MAX_BODY_DEPTH, type Request, type RequestName, requests } from '../protocol.ts'

/**
 * The request of a payload as it came from the wire.
 *
 * @throws GatewayError BAD_REQUEST, whose message begins with the field
 */
export function parseRequest<Name extends RequestName>(
  name: Name,
  payload: unknown,
): Request<Name> {
  const parsed = requests[name].safeParse(payload)
  if (parsed.success) return parsed.data as Request<Name>
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') || 'payload'
  throw new GatewayError('BAD_REQUEST', `${field}: ${issue?.message ?? 'is not valid'}`)
}

/**
 * The JSON text of a body.
 *
 * @throws GatewayError BAD_REQUEST for what is not JSON, TOO_LARGE beyond `maxBytes` of UTF-8
 */
export function bodyText(body: unknown, maxBytes: number): string {
  requireJson(body, 0)
  const text = JSON.stringify(body)
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    throw new GatewayError('TOO_LARGE', `body: must be at most ${maxBytes} bytes of JSON`)
  }
  return text
}

/** Binary attachments arrive as Buffers, which JSON would silently turn into something else. */
function requireJson(value: unknown, depth: number): void {
  if (value === undefined) throw new GatewayError('BAD_REQUEST', 'body: is missing')
  if (value === null || typeof value !== 'object') return
  if (depth >= MAX_BODY_DEPTH) {
    throw new GatewayError(
      'BAD_REQUEST',
      `body: must be nested at most ${MAX_BODY_DEPTH} levels deep`,
    )
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw new GatewayError('BAD_REQUEST', 'body: must be JSON, not binary')
  }
  for (const item of Object.values(value)) requireJson(item, depth + 1)
}
