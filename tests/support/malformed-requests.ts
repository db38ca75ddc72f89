import {
  DEFAULT_HISTORY,
  MAX_BODY_DEPTH,
  MAX_HISTORY,
  MAX_ID_LENGTH,
  MAX_ROOM_BYTES,
} from '../../server/protocol.ts'
import type { Random } from '../chaos/random.ts'

/** A request and what has to become of it. */
export interface OddRequest {
  event: string
  /** Arguments before the acknowledgement. */
  args: unknown[]
  /** Refused with this code, naming one of these fields or what is in it; or accepted, though odd. */
  expected: { code: 'BAD_REQUEST' | 'TOO_LARGE'; fields: readonly string[] } | 'accepted'
}

/** JSON that is `levels` deep; a client's own encoder gives up at some thousands. */
export function nested(levels: number, kind: 'array' | 'object'): unknown {
  const [open, close] = kind === 'array' ? ['[', ']'] : ['{"a":', '}']
  return JSON.parse(`${open.repeat(levels)}0${close.repeat(levels)}`)
}

/** Own keys that an assignment would not make. */
const prototypeKeys = () => JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":1}}')

type Make = (random: Random) => unknown
const just =
  (...values: unknown[]): Make =>
  (random) =>
    random.pick(values)

const notText: Make[] = [
  just(null, true, 0, -1, 1.5, 1e300),
  just([], {}, ['text'], { text: 1 }),
  prototypeKeys,
  (random) => Buffer.alloc(random.int(0, 2000)),
  (random) => nested(random.int(1, 1500), random.pick(['array', 'object'])),
]
const badText = (tooLong: (random: Random) => string): Make[] => [
  ...notText,
  just('', '\ud800', '\udfff', 'a\ud800b'),
  tooLong,
  (random) => 'x'.repeat(random.int(1000, 30_000)),
]
const badNumber: Make[] = [
  ...notText.slice(1),
  just(null, true, '5', -1, 0.5, -0.5, 1e300, 2 ** 53, Number.MAX_VALUE, Number.NaN),
]

interface BadField {
  /** Where it goes: `since.epoch` is within `since`. */
  path: string
  makes: readonly Make[]
  optional?: true
}

const room: BadField = {
  path: 'room',
  makes: badText((random) => '€'.repeat(random.int(Math.ceil(MAX_ROOM_BYTES / 3), 300))),
}
const limit: BadField = {
  path: 'limit',
  makes: [...badNumber, (random) => random.int(MAX_HISTORY + 1, 1e9)],
  optional: true,
}

const events: Record<string, readonly BadField[]> = {
  'room:join': [
    room,
    { path: 'since', makes: [just(null, 5, 'e:1', true, [], [1])], optional: true },
    { path: 'since.epoch', makes: [...notText, just('', 'e'.repeat(65), 'e'.repeat(10_000))] },
    { path: 'since.offset', makes: badNumber },
    { path: 'since.at', makes: badNumber, optional: true },
    limit,
    { path: 'presence', makes: [just(null, 'yes', 0, {}, [])], optional: true },
  ],
  'room:leave': [room],
  'room:send': [
    room,
    {
      path: 'id',
      makes: badText((random) => 'i'.repeat(random.int(MAX_ID_LENGTH + 1, 1000))),
    },
  ],
  'room:history': [room, { path: 'before', makes: badNumber, optional: true }, limit],
}

/** A body that is refused whatever the rest of the request. */
const badBody: Make[] = [
  () => undefined,
  (random) => Buffer.alloc(random.int(0, 3000)),
  (random) => ({ deep: [{ in: Buffer.alloc(random.int(1, 20)) }, null] }),
  (random) => nested(random.int(MAX_BODY_DEPTH + 1, 1500), random.pick(['array', 'object'])),
]

/** Odd but valid: what it names exists nowhere else, and it must be taken at its word. */
const oddNames = [
  '__proto__',
  'constructor',
  'toString',
  '{}',
  ' ',
  '\0',
  '%',
  '😀',
  'hasOwnProperty',
]
const oddBodies: Make[] = [
  prototypeKeys,
  just('\ud800', '\u2028', '', null, 0, false, [], {}),
  () => nested(MAX_BODY_DEPTH, 'array'),
  just({ toJSON: 1 }, { length: 1e9 }, JSON.parse('{"then":1}'), { _placeholder: true, num: 7 }),
]

function valid(event: string, name: string): Record<string, unknown> {
  const request: Record<string, unknown> = { room: name }
  if (event === 'room:send') Object.assign(request, { id: 'valid', body: null })
  if (event === 'room:join') request['since'] = { epoch: 'e', offset: 1, at: 1 }
  if (event !== 'room:leave') request['limit'] = DEFAULT_HISTORY
  return request
}

function set(request: Record<string, unknown>, path: string, value: unknown): void {
  const [first = '', second] = path.split('.')
  if (second === undefined) request[first] = value
  else request[first] = { ...Object(request[first]), [second]: value }
}

/** Draws requests of every kind there is; all but a few are malformed. */
export function drawRequest(random: Random, roomName: string): OddRequest {
  const event = random.pick(Object.keys(events))
  const fields = events[event] ?? []
  const request = valid(event, roomName)
  const kind = random.next()

  if (kind < 0.1) {
    // No object at all.
    const args = random.pick([[], [null], ['text'], [7], [true], [[]], [[request]], [[[]]]])
    return { event, args, expected: { code: 'BAD_REQUEST', fields: ['payload'] } }
  }
  if (kind < 0.15) {
    // Binary in its place: an object without the fields.
    const args = [Buffer.from(JSON.stringify(request))]
    return { event, args, expected: { code: 'BAD_REQUEST', fields: ['room'] } }
  }
  if (kind < 0.3) {
    if (random.chance(0.1)) {
      const args = [{ room: roomName, id: 'large', body: 'x'.repeat(random.int(70_000, 100_000)) }]
      return { event: 'room:send', args, expected: { code: 'TOO_LARGE', fields: ['body'] } }
    }
    const args = [{ room: roomName, id: 'body', body: random.pick(badBody)(random) }]
    return { event: 'room:send', args, expected: { code: 'BAD_REQUEST', fields: ['body'] } }
  }
  if (kind < 0.35) {
    const odd = random.pick(oddNames)
    const args = [
      { room: odd, id: odd, body: random.pick(oddBodies)(random), later: prototypeKeys() },
    ]
    return { event: 'room:send', args, expected: 'accepted' }
  }
  // One field is wrong or missing, or several are; unknown ones are around it.
  const wrong = Array.from({ length: random.chance(0.2) ? 2 : 1 }, () => random.pick(fields))
  for (const { path, makes, optional } of wrong) {
    if (!optional && random.chance(0.2)) {
      const [first = '', second] = path.split('.')
      if (second === undefined) delete request[first]
      else request[first] = { epoch: 'e', offset: 1, [second]: undefined }
    } else set(request, path, random.pick(makes)(random))
  }
  if (random.chance(0.2)) Object.assign(request, { [random.pick(oddNames)]: prototypeKeys() })
  // One of several is named, and within `since` the first.
  const names = wrong.map(({ path }) => (wrong.length > 1 ? path.split('.')[0] : path) ?? path)
  return { event, args: [request], expected: { code: 'BAD_REQUEST', fields: names } }
}
