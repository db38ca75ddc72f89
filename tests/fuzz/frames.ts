import fc from 'fast-check'

/** Bytes in the place of a WebSocket frame (RFC 6455, 5.2), and how a client would go on. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(
    Buffer.from('421["gateway:hello",{}]'),
    Buffer.from('42["room:send",{"room":"fuzz-1","id":"1","body":1}]'),
    Buffer.from([0xc3, 0x28]), // no UTF-8
    Buffer.from([0xed, 0xa0, 0x80]), // a surrogate
    Buffer.from([0xf4, 0x90, 0x80, 0x80]), // beyond Unicode
    Buffer.from([0x03, 0xe8]), // a close code
    Buffer.from([0x03, 0xed]), // one that may not be sent
    Buffer.alloc(130, 0x61),
  ),
)

interface FrameParts {
  fin: boolean
  reserved: number
  opcode: number
  masked: boolean
  mask: number
  /** How the length is written, and what it claims beyond the truth. */
  form: 'least' | '16' | '64'
  lie: number
  payload: Buffer
}

const frame: fc.Arbitrary<Buffer> = fc
  .record<FrameParts>({
    fin: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
    reserved: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
    opcode: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom(0, 1, 2, 8, 9, 10) },
      fc.integer({ min: 0, max: 15 }),
    ),
    masked: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.constant(false)),
    mask: fc.integer({ min: 0, max: 0xffffffff }),
    form: fc.oneof(
      { weight: 5, arbitrary: fc.constant('least' as const) },
      fc.constantFrom('16' as const, '64' as const),
    ),
    lie: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      fc.constantFrom(-1, 1, 70_000, 2 ** 31, 2 ** 40, 2 ** 53),
    ),
    payload,
  })
  .map(encode)

function encode({ fin, reserved, opcode, masked, mask, form, lie, payload: data }: FrameParts) {
  const length = Math.max(0, data.length + lie)
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode
  const bit = masked ? 0x80 : 0
  let head: Buffer
  if (form === '64' || length > 0xffff) {
    head = Buffer.alloc(10)
    head.writeBigUInt64BE(BigInt(length), 2)
    head[1] = bit | 127
  } else if (form === '16' || length > 125) {
    head = Buffer.alloc(4)
    head.writeUInt16BE(length, 2)
    head[1] = bit | 126
  } else {
    head = Buffer.from([0, bit | length])
  }
  head[0] = first
  if (!masked) return Buffer.concat([head, data])
  const key = Buffer.alloc(4)
  key.writeUInt32BE(mask >>> 0)
  const covered = data.map((byte, index) => byte ^ (key[index % 4] ?? 0))
  return Buffer.concat([head, key, covered])
}

/** One to six frames, in one write or cut anywhere. */
export const frames: fc.Arbitrary<Buffer[]> = fc
  .tuple(fc.array(frame, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(400), { maxLength: 3 }))
  .map(([parts, cuts]) => {
    const bytes = Buffer.concat(parts)
    const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    places.sort((a, b) => a - b)
    return places.slice(1).map((end, index) => bytes.subarray(places[index] ?? 0, end))
  })
