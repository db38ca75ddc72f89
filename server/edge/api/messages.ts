import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { GatewayError } from '../../errors.ts'
import type { Events } from '../../observability/events.ts'
import { messageId } from '../../protocol.ts'
import type { Claim } from '../../rooms/message-log.ts'
import type { Rooms } from '../../rooms/rooms.ts'
import type { ApiKey } from '../../session/api-keys.ts'
import { bodyText } from '../requests.ts'
import { wireMessages, wirePosition } from '../wire.ts'
import { type Route, route } from './route.ts'
import { limitQuery, position, roomParams, sender, storedMessage } from './schemas.ts'

const MAX_MESSAGES = 100

const message = z.object({
  id: messageId
    .optional()
    .describe('Within DEDUP_WINDOW the same id is stored once (D2). Unset: a new one.'),
  body: z.unknown().describe('Any JSON value.'),
  from: sender
    .optional()
    .describe('Who members see as the sender. Unset: the name of the API key.'),
})

const stored = z.object({
  id: messageId,
  position,
  duplicate: z.boolean(),
  at: z.number().int(),
})

const AFTER = /^([\w-]{1,64}):(\d{1,15})(?::(\d{1,15}))?$/

/** Publishing into rooms, and reading what is there. */
export function messageRoutes(deps: {
  rooms: Rooms
  events: Events
  maxBodyBytes: number
}): Route[] {
  const { rooms, events } = deps

  async function store(
    room: string,
    key: ApiKey,
    { id, body, from }: z.output<typeof message>,
    idempotencyKey: string | undefined,
    /** Of several messages, which one it is. */
    index?: number,
  ): Promise<z.output<typeof stored>> {
    const text = naming(index, () => bodyText(body, deps.maxBodyBytes))
    const part = index === undefined ? '' : `/${index}`
    const shownId = id ?? (idempotencyKey === undefined ? randomUUID() : idempotencyKey + part)
    // Told apart by their first letter: `B/0` may be an id, a key, and a message of a request with key `B`.
    const dedupId =
      idempotencyKey === undefined
        ? `i${shownId}`
        : index === undefined
          ? `k${idempotencyKey}`
          : `m${index}/${idempotencyKey}`
    const who = JSON.stringify(from ?? { id: `api:${key.name}`, name: key.name })
    const content = `{"id":${JSON.stringify(shownId)},"from":${who},"body":${text}}`
    const started = performance.now()
    // D2: a backend is one sender, whichever of its processes or keys it uses.
    const append = { room, sender: `k:${key.name}`, id: dedupId, content }
    const { position: at, duplicate, repeat } = await rooms.send(append)
    const byKey = idempotencyKey !== undefined && repeat !== undefined && repeat !== 'content'
    events.sent(byKey ? 'idempotency_key' : repeat, performance.now() - started)
    return { id: shownId, position: wirePosition(at), duplicate, at: at.at }
  }

  return [
    route({
      method: 'post',
      path: '/api/rooms/:room/messages',
      summary: `Stores a message, or up to ${MAX_MESSAGES} of them in order, and delivers them.`,
      scope: 'publish',
      params: roomParams,
      headers: z.object({
        'idempotency-key': messageId
          .max(120)
          .optional()
          .describe('In place of ids: the same request, sent again, is stored once (D2).'),
      }),
      body: z.union([message, z.array(message).min(1).max(MAX_MESSAGES)]),
      replies: {
        200: {
          description: 'It was there before, or: several messages, with a result each.',
          schema: z.object({ ...stored.partial().shape, results: z.array(stored).optional() }),
        },
        201: { description: 'Stored.', schema: stored },
      },
      async handle({ params: { room }, headers, body, key }) {
        const idempotencyKey = headers['idempotency-key']
        if (!Array.isArray(body)) {
          const reply = await store(room, key, body, idempotencyKey)
          return { status: reply.duplicate ? 200 : 201, body: reply }
        }
        // All are asked for at once: they are stored in this order, and a failure ends it (D3).
        const results = await Promise.allSettled(
          body.map((each, index) => store(room, key, each, idempotencyKey, index)),
        )
        const failed = results.find((result) => result.status === 'rejected')
        if (failed !== undefined) throw failed.reason
        return {
          status: 200,
          body: {
            results: results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
          },
        }
      },
    }),
    route({
      method: 'get',
      path: '/api/rooms/:room/messages',
      summary: 'The messages after a position, oldest first, or the newest ones.',
      scope: 'read',
      params: roomParams,
      query: z.object({
        after: z
          .string()
          .regex(AFTER, 'must be <epoch>:<offset> or <epoch>:<offset>:<at>')
          .optional()
          .describe('<epoch>:<offset>[:<at>] of the last message one has.'),
        limit: limitQuery,
      }),
      replies: {
        200: {
          description:
            'Ascending. `recovered: false`: they do not continue `after` (D6), and are the newest. `position` is the place to go on from, `tail` the end of the room.',
          schema: z.object({
            recovered: z.boolean(),
            messages: z.array(storedMessage),
            position,
            tail: position,
          }),
        },
      },
      async handle({ params: { room }, query: { after, limit } }) {
        const from = after === undefined ? undefined : claimOf(after)
        let page = await rooms.read(
          room,
          from === undefined ? { kind: 'last', limit } : { kind: 'after', from, limit },
        )
        const recovered = from === undefined || page.continuity === 'whole'
        if (!recovered) page = await rooms.read(room, { kind: 'last', limit })
        const { tail, entries } = page
        const last = entries.at(-1)
        const reached =
          last === undefined ? (recovered && from) || tail : { ...last, epoch: tail.epoch }
        return {
          status: 200,
          body: {
            recovered,
            messages: wireMessages(room, tail.epoch, entries),
            position: placeOf(reached),
            tail: wirePosition(tail),
          },
        }
      },
    }),
  ]
}

function placeOf({ epoch, offset, at }: Claim) {
  return offset === 0 || at === undefined ? { epoch, offset } : { epoch, offset, at }
}

function claimOf(text: string): Claim {
  const [, epoch = '', offset, at] = AFTER.exec(text) ?? []
  return { epoch, offset: Number(offset), at: at === undefined ? undefined : Number(at) }
}

/** Of several messages, which one is at fault. */
function naming<T>(index: number | undefined, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (index === undefined || !(error instanceof GatewayError)) throw error
    throw new GatewayError(error.code, `${index}.${error.message}`)
  }
}
