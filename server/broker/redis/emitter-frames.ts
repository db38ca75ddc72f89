import { decode, ExtensionCodec } from '@msgpack/msgpack'
import { z } from 'zod'
import type { ProducerCommand, Refusal } from '../../edge/producers.ts'

/**
 * What `@socket.io/redis-emitter` publishes: `<key>#<namespace>#` or, to one room,
 * `<key>#<namespace>#<room>#` with msgpack `["emitter", packet, options]`, and
 * `<key>-request#<namespace>#` with JSON. Servers with the classic adapter use the same channels among
 * themselves, with names of their own in place of "emitter": that is not for us.
 */
const EMITTER = 'emitter'
const EVENT = 2

const rooms = z.array(z.union([z.string(), z.number()]).transform(String)).max(1000)
const strings = z.union([rooms, z.undefined()]).transform((names) => names ?? [])

const frame = z.tuple([
  z.string(),
  z.object({
    type: z.number(),
    nsp: z.string(),
    data: z.tuple([z.string()], z.unknown()),
  }),
  z.object({
    rooms: strings,
    except: strings,
    flags: z
      .object({ volatile: z.boolean().optional(), compress: z.boolean().optional() })
      .optional(),
  }),
])

const filter = z.object({ rooms: strings, except: strings })
const request = z.discriminatedUnion('type', [
  z.object({ type: z.literal(2), uid: z.string().optional(), opts: filter, rooms }),
  z.object({ type: z.literal(3), uid: z.string().optional(), opts: filter, rooms }),
  z.object({
    type: z.literal(4),
    uid: z.string().optional(),
    opts: filter,
    close: z.boolean().optional(),
  }),
  z.object({
    type: z.literal(6),
    uid: z.string().optional(),
    data: z.tuple([z.string()], z.unknown()),
  }),
])

/** notepack's own: one byte stands for undefined, eight for a Date in ms. */
const extensions = new ExtensionCodec()
extensions.register({
  type: 0,
  encode: () => null,
  decode: (data) =>
    data.byteLength === 8
      ? new Date(Number(new DataView(data.buffer, data.byteOffset).getBigInt64(0)))
      : undefined,
})

export function readEmit(message: Buffer): ProducerCommand | Refusal {
  const parsed = frame.safeParse(attempt(() => decode(message, { extensionCodec: extensions })))
  if (!parsed.success) return 'malformed'
  const [uid, packet, { rooms, except, flags }] = parsed.data
  if (uid !== EMITTER) return 'server'
  if (packet.type !== EVENT) return 'unsupported'
  const [event, ...args] = packet.data
  return {
    ...{ kind: 'emit', namespace: packet.nsp, rooms, except, event, args },
    volatile: flags?.volatile ?? false,
    compress: flags?.compress ?? true,
  }
}

/** @param namespace as the channel tells it: a request does not name its own */
export function readRequest(message: Buffer, namespace: string): ProducerCommand | Refusal {
  const value = attempt(() => JSON.parse(message.toString()))
  if (isForeign(value)) return 'server'
  const parsed = request.safeParse(value)
  if (!parsed.success) return 'malformed'
  const { data } = parsed
  if (data.type === 6) {
    const [event, ...args] = data.data
    return { kind: 'notify', namespace, rooms: [], except: [], event, args }
  }
  const target = { namespace, rooms: data.opts.rooms, except: data.opts.except }
  if (data.type === 4) return { ...target, kind: 'disconnect', close: data.close ?? false }
  return { ...target, kind: data.type === 2 ? 'join' : 'leave', names: data.rooms }
}

/** Other servers sign with their ids, and ask what no emitter asks. */
function isForeign(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { uid, type, requestId } = value as Record<string, unknown>
  if (requestId !== undefined || type === 0 || type === 1 || type === 5) return true
  return uid !== undefined && uid !== EMITTER
}

function attempt(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    return undefined
  }
}
