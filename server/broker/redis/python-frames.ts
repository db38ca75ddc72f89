import { z } from 'zod'
import type { ProducerCommand, Refusal } from '../../edge/producers.ts'

/**
 * What python-socketio's Redis managers publish since 5.14: JSON. Older ones pickle, and reading a
 * pickle means running it.
 */
const PICKLE = 0x80

const names = z
  .union([z.string(), z.array(z.string()).max(1000), z.null(), z.undefined()])
  .transform((value) => (value === null || value === undefined ? [] : [value].flat()))
const namespace = z
  .string()
  .nullish()
  .transform((value) => value ?? '/')

const message = z.discriminatedUnion('method', [
  z.object({
    method: z.literal('emit'),
    event: z.string(),
    data: z.unknown(),
    binary: z.boolean().optional(),
    namespace,
    room: names,
    skip_sid: names,
  }),
  z.object({ method: z.literal('disconnect'), sid: z.string(), namespace }),
  z.object({ method: z.literal('enter_room'), sid: z.string(), namespace, room: z.string() }),
  z.object({ method: z.literal('leave_room'), sid: z.string(), namespace, room: z.string() }),
  z.object({ method: z.literal('close_room'), namespace, room: z.string() }),
  // An answer to another server.
  z.object({ method: z.literal('callback') }),
])

/** Undefined: meant for others. */
export function readPython(bytes: Buffer): ProducerCommand | Refusal | undefined {
  if (bytes[0] === PICKLE) return 'pickle'
  const parsed = message.safeParse(jsonOf(bytes))
  if (!parsed.success) return 'malformed'
  const { data } = parsed
  switch (data.method) {
    case 'callback':
      return undefined
    case 'emit': {
      const args = argumentsOf(data.data, data.binary ?? false)
      if (args === undefined) return 'malformed'
      const { event, namespace, room: rooms, skip_sid: except } = data
      return {
        kind: 'emit',
        event,
        args,
        namespace,
        rooms,
        except,
        volatile: false,
        compress: true,
      }
    }
    case 'disconnect':
      return { ...one(data.sid, data.namespace), kind: 'disconnect', close: false }
    case 'enter_room':
      return { ...one(data.sid, data.namespace), kind: 'join', names: [data.room] }
    case 'leave_room':
      return { ...one(data.sid, data.namespace), kind: 'leave', names: [data.room] }
    case 'close_room':
      return { ...one(data.room, data.namespace), kind: 'leave', names: [data.room] }
  }
}

function one(room: string, namespace: string) {
  return { rooms: [room], except: [], namespace }
}

/** A list is the arguments, anything else the only one; binary comes apart, as in a packet. */
function argumentsOf(data: unknown, binary: boolean): unknown[] | undefined {
  if (!binary) return Array.isArray(data) ? data : [data]
  if (!Array.isArray(data)) return undefined
  const [args, ...attachments] = data
  if (!Array.isArray(args) || !attachments.every((each) => typeof each === 'string')) {
    return undefined
  }
  const buffers = attachments.map((text) => Buffer.from(text, 'base64'))
  return args.map((arg) => assembled(arg, buffers, 0))
}

const MAX_DEPTH = 100

/** `{ _placeholder: true, num }` stands for an attachment. */
function assembled(value: unknown, buffers: readonly Buffer[], depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map((each) => assembled(each, buffers, depth + 1))
  const { _placeholder, num } = value as { _placeholder?: unknown; num?: unknown }
  if (_placeholder === true) return buffers[Number(num)] ?? null
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, assembled(each, buffers, depth + 1)]),
  )
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}
