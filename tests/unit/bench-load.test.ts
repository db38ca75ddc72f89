import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFrameReader, maskedFrame, TEXT } from '../../bench/load/frames.ts'
import { MARKER_CHARS, markedBody, readMarker } from '../../bench/load/marker.ts'
import { due, dueAt, phaseMs } from '../../bench/load/pace.ts'

/** As a server writes it: the same without the mask. */
function serverFrame(text: string): Buffer {
  const masked = maskedFrame(TEXT, text, Buffer.alloc(4))
  const body = masked.length - Buffer.byteLength(text)
  masked[1] = (masked[1] ?? 0) & 0x7f
  return Buffer.concat([masked.subarray(0, body - 4), masked.subarray(body)])
}

/** Cuts the stream into chunks of these sizes, in turn, and reads it; returns the texts found. */
function readTexts(stream: Buffer, sizes: readonly number[]): string[] {
  const found: string[] = []
  const reader = createFrameReader((opcode, buffer, start, end) => {
    found.push(opcode === TEXT ? buffer.toString('utf8', start, end) : `opcode ${opcode}`)
  })
  // One buffer is used again for every read, as the load does it.
  const shared = Buffer.alloc(Math.max(...sizes))
  for (let at = 0, cut = 0; at < stream.length; cut += 1) {
    const length = stream.copy(shared, 0, at, at + (sizes[cut % sizes.length] ?? 1))
    reader.read(shared, length, 0)
    at += length
  }
  return found
}

test('frames are found whole and in order, wherever the stream is cut', () => {
  const text = fc.string({ maxLength: 200, unit: 'binary' })
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), sizes, (texts, cuts) => {
      const stream = Buffer.concat(texts.map(serverFrame))
      expect(readTexts(stream, cuts)).toEqual(texts.map((each) => Buffer.from(each).toString()))
    }),
    { numRuns: 30 },
  )
})

test('frames of every size class are found', () => {
  const lengths = [0, 125, 126, 127, 65_535, 65_536, 200_000, 3]
  const stream = Buffer.concat(lengths.map((length) => serverFrame('y'.repeat(length))))
  expect(readTexts(stream, [8191]).map((text) => text.length)).toEqual(lengths)
})

test('a client masks what it sends', () => {
  const frame = maskedFrame(TEXT, 'abcde', Buffer.from([1, 2, 3, 4]))
  expect([...frame]).toEqual([
    ...[0x81, 0x85, 1, 2, 3, 4],
    ...[0x61 ^ 1, 0x62 ^ 2, 0x63 ^ 3, 0x64 ^ 4, 0x65 ^ 1],
  ])
})

test('a marker is found where it was put, and nowhere else', () => {
  const marker = { sentAt: 5_211_989_870_123, sender: 17, number: 40_321 }
  const body = markedBody(marker, 98)
  expect(body).toHaveLength(98)
  const packet = Buffer.from(`42["room:message",{"room":"r","body":"${body}"}]`)
  expect(readMarker(packet, packet.length - 3 - 98)).toEqual(marker)
  expect(readMarker(packet, packet.length - 4 - 98)).toBeUndefined()
  expect(readMarker(packet, packet.length - MARKER_CHARS + 1)).toBeUndefined()
})

test('even messages are due one by one, bursts all at once', () => {
  const even = { rate: 400, burstMs: 0 }
  expect([0, 2, 2.5, 5].map((ms) => due(even, ms))).toEqual([1, 1, 2, 3])
  const bursts = { rate: 400, burstMs: 10 }
  expect([0, 9, 10, 25].map((ms) => due(bursts, ms))).toEqual([4, 4, 8, 12])
  expect(due({ rate: 0, burstMs: 0 }, 100)).toBe(0)
  expect(due(even, -1)).toBe(0)
})

test('a message is due exactly when it is counted as due', () => {
  const pace = fc.record({
    rate: fc.integer({ min: 1, max: 5000 }),
    burstMs: fc.constantFrom(0, 10),
  })
  fc.assert(
    fc.property(pace, fc.integer({ min: 0, max: 10_000 }), (each, index) => {
      const at = dueAt(each, index)
      // A microsecond for what floating point leaves.
      expect(due(each, at + 0.001)).toBeGreaterThan(index)
      expect(due(each, at - 0.001)).toBeLessThanOrEqual(index)
    }),
  )
})

test('senders alike take turns when they are even, and burst together', () => {
  expect(phaseMs({ rate: 100, burstMs: 0 }, 0.25)).toBe(2.5)
  expect(phaseMs({ rate: 100, burstMs: 10 }, 0.25)).toBe(0)
})
