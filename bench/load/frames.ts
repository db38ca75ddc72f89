/** WebSocket frames as a client sees and makes them (RFC 6455, 5.2). */
export const TEXT = 1
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** The payload lies in `buffer` from `start` to `end` and is gone when the call returns. */
export type FrameListener = (
  opcode: number,
  buffer: Buffer,
  start: number,
  end: number,
  now: number,
) => void

/** Cuts a stream into frames without copying, except for a frame that is not complete yet. */
export interface FrameReader {
  /** The first `length` bytes of `chunk`, which may be overwritten afterwards. */
  read(chunk: Buffer, length: number, now: number): void
}

export function createFrameReader(onFrame: FrameListener): FrameReader {
  let rest: Buffer | undefined
  return {
    read(chunk, length, now) {
      let buffer = chunk
      let end = length
      if (rest !== undefined) {
        buffer = Buffer.concat([rest, chunk.subarray(0, length)])
        end = buffer.length
        rest = undefined
      }
      let at = 0
      for (;;) {
        if (end - at < 2) break
        const first = buffer[at] ?? 0
        let size = (buffer[at + 1] ?? 0) & 0x7f
        let head = 2
        if (size === 126) {
          if (end - at < 4) break
          size = buffer.readUInt16BE(at + 2)
          head = 4
        } else if (size === 127) {
          if (end - at < 10) break
          size = Number(buffer.readBigUInt64BE(at + 2))
          head = 10
        }
        if (end - at < head + size) break
        // No server here sends fragments or compresses; one that did would be counted wrongly.
        if ((first & 0xf0) !== 0x80) throw new Error(`unexpected WebSocket frame ${first}`)
        onFrame(first & 0x0f, buffer, at + head, at + head + size, now)
        at += head + size
      }
      if (at < end) rest = Buffer.from(buffer.subarray(at, end))
    },
  }
}

/** A final frame, masked as clients must. */
export function maskedFrame(opcode: number, payload: string, mask: Buffer): Buffer {
  const size = Buffer.byteLength(payload)
  const head = size < 126 ? 2 : size < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + 4 + size)
  frame[0] = 0x80 | opcode
  if (head === 2) frame[1] = 0x80 | size
  else if (head === 4) {
    frame[1] = 0x80 | 126
    frame.writeUInt16BE(size, 2)
  } else {
    frame[1] = 0x80 | 127
    frame.writeBigUInt64BE(BigInt(size), 2)
  }
  mask.copy(frame, head)
  const body = head + 4
  frame.write(payload, body)
  for (let index = 0; index < size; index += 1) {
    frame[body + index] = (frame[body + index] ?? 0) ^ (mask[index & 3] ?? 0)
  }
  return frame
}
