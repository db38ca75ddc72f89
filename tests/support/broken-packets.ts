import type { Random } from '../chaos/random.ts'
import type { RawConnection } from './raw-connection.ts'

/** Something no client should send. */
export interface BrokenPacket {
  /** For messages: what it is. */
  name: string
  /** Sent before the Socket.IO handshake instead of after it. */
  early?: true
  send(connection: RawConnection): void
}

type Draw = (random: Random) => BrokenPacket

const text =
  (...packets: string[]): Draw =>
  (random) => {
    const packet = random.pick(packets)
    return { name: packet.slice(0, 60), send: ({ socket }) => socket.send(packet) }
  }
const sequence = (...parts: (string | Buffer)[]): Draw => {
  return () => ({
    name: parts.map(String).join(' | ').slice(0, 60),
    send({ socket }) {
      for (const part of parts) socket.send(part)
    },
  })
}

const VALID = '42["room:history",{"room":"bystanders","limit":1}]'

/** A valid packet with some characters changed, lost or repeated. */
const mutated: Draw = (random) => {
  const characters = [...VALID]
  for (let times = random.int(1, 6); times > 0; times -= 1) {
    const index = random.int(0, characters.length - 1)
    const noise = String.fromCodePoint(random.int(0, 0x2ff))
    characters.splice(index, random.int(0, 2), ...random.pick([[], [noise], [noise, noise]]))
  }
  const packet = characters.join('')
  return { name: packet, send: ({ socket }) => socket.send(packet) }
}

const noise: Draw = (random) => {
  const bytes = Buffer.from(Array.from({ length: random.int(1, 400) }, () => random.int(0, 255)))
  return {
    name: `noise of ${bytes.length}`,
    send: ({ socket }) => socket.send(random.chance(0.5) ? bytes : bytes.toString('latin1')),
  }
}

/** Frames that break the WebSocket protocol itself (RFC 6455, 5.2 and 5.5). */
const bytes: Draw = (random) => {
  const frame = random.pick([
    [0x81, 0x01, 0x34], // not masked
    [0xf1, 0x81, 1, 2, 3, 4, 5], // reserved bits
    [0x83, 0x80, 1, 2, 3, 4], // reserved opcode
    [0x09, 0x80, 1, 2, 3, 4], // a ping in fragments
    [0x89, 0xfe, 0x01, 0x00, 1, 2, 3, 4], // a ping too long
    [0x80, 0x80, 1, 2, 3, 4], // continues nothing
    [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // a length beyond all
    [0x81, 0x81, 0, 0, 0, 0, 0xff], // no UTF-8
  ])
  return {
    name: `bytes ${Buffer.from(frame).toString('hex')}`,
    send: (connection) => connection.writeBytes(Buffer.from(frame)),
  }
}

const early = (draw: Draw): Draw => {
  return (random) => ({ ...draw(random), early: true })
}

const draws: readonly Draw[] = [
  mutated,
  mutated,
  mutated,
  noise,
  bytes,
  early(mutated),
  early(noise),
  // Engine.io: unknown types, heartbeats in the wrong direction, an upgrade of what is no polling.
  text('', '2', '2probe', '5', '7', '8x', '9', 'b', 'bAAAA', 'b!!!', 'x', '😀', '\0'),
  // Socket.IO packets that are none.
  text(
    '4',
    '47',
    '48[]',
    '4x',
    '42',
    '42{',
    '42{}',
    '42null',
    '42"text"',
    '42[]',
    '42[{}]',
    '42[null]',
  ),
  text('421', '4299999999999999999999["gateway:hello",{}]', '42-1["gateway:hello",{}]', '421.5[]'),
  text(
    '42[5]',
    '421[-1e300,{}]',
    '42["__proto__"]',
    '421["constructor",{}]',
    '42["hasOwnProperty"]',
  ),
  // Names that event emitters, or the library, have a use for.
  text(
    '42["error"]',
    '42["error",null]',
    '42["error",{"message":5}]',
    '421["error",{"message":[1]}]',
  ),
  text('42["connect"]', '42["disconnect"]', '421["disconnecting"]', '42["newListener","x"]'),
  text(
    '42["connection",{}]',
    '42["connect_error",{}]',
    '42["removeListener"]',
    '42["gateway:bye",{}]',
  ),
  // Acknowledgements of nothing.
  text('43', '431', '431[]', '439007199254740993[{}]', '43[1]', '431{"ok":true}'),
  // Connecting again, elsewhere, or with what is no object.
  text(
    '40',
    '40{}',
    '40/nowhere,',
    '40/nowhere,{}',
    `40/${'n'.repeat(5000)},`,
    '40[1]',
    '40"x"',
    '40{',
  ),
  text('41/nowhere,', '42/nowhere,["x"]', '421/,["gateway:hello",{}]', '44"no"', '44{"message":1}'),
  early(
    text('42["gateway:hello",{}]', '41', '431[]', '44{}', '451-["x"]', '40{"session":', '40[]'),
  ),
  // Binary: announced and not sent, sent and not announced, too many, placeholders of nothing.
  text(
    '45',
    '451',
    '45-[]',
    '450-["x"]',
    '451-',
    '451-{}',
    '45-1-["x"]',
    '4599999-["x"]',
    '451e3-["x"]',
  ),
  sequence('451-["room:send",{"_placeholder":true,"num":0}]', VALID),
  sequence(Buffer.from('nobody asked')),
  sequence('452-["room:send",{"_placeholder":true,"num":0}]', Buffer.from('1'), VALID),
  sequence('451-["room:send",{"_placeholder":true,"num":5}]', Buffer.from('1')),
  sequence('451-["room:send",{"_placeholder":true,"num":-1}]', Buffer.from('1')),
  sequence('451-["room:send",{"_placeholder":true,"num":"__proto__"}]', Buffer.from('1')),
  sequence('4511-["x"]', ...Array.from({ length: 11 }, () => Buffer.from('1'))),
  sequence('461-1[{"_placeholder":true,"num":0}]', Buffer.alloc(0)),
  // Depth: parsed without recursion, but everything that walks it has to stop.
  (random) => text(`421["room:send",${'['.repeat(random.int(5000, 50_000))}`)(random),
  (random) => {
    const depth = random.int(5000, 100_000)
    return sequence(
      `451-1["room:send",${'['.repeat(depth)}{"_placeholder":true,"num":0}${']'.repeat(depth)}]`,
      Buffer.from('1'),
    )(random)
  },
  // More than a packet may be.
  (random) =>
    text(`421["room:send",{"room":"r","id":"i","body":"${'x'.repeat(2_000_000)}"}]`)(random),
]

/** Draws one of every kind that breaks the protocol below requests. */
export function drawPacket(random: Random): BrokenPacket {
  return random.pick(draws)(random)
}
