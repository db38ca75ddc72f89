/** An unmasked, final WebSocket text frame (RFC 6455, 5.2) with an engine.io message packet. */
export function textFrame(packet: string): Buffer {
  const length = Buffer.byteLength(packet) + 1
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x81
  if (header === 2) frame[1] = length
  else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame[header] = 0x34 // engine.io type `message`
  frame.write(packet, header + 1)
  return frame
}
