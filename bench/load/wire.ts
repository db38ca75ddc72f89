import { randomBytes } from 'node:crypto'
import { readSync } from 'node:fs'
import { connect } from 'node:net'
import { micros } from './clock.ts'
import { CLOSE, createFrameReader, maskedFrame, PING, PONG, TEXT } from './frames.ts'
import type { ReadingWheel } from './reading-wheel.ts'

export interface Target {
  host: string
  port: number
}

/** A WebSocket client of a few lines: it must cost less than what it measures. */
export interface Wire {
  send(text: string): void
  /**
   * From now on it reads when the wheel says so, everything there is at once. What arrives meanwhile
   * is the kernel's, as it would be on another machine.
   */
  readBy(wheel: ReadingWheel): void
  /** Resets the connection: nothing lingers, and no port waits for its time-out. */
  destroy(): void
}

export interface WireListener {
  opened(): void
  /** See FrameListener. */
  text(buffer: Buffer, start: number, end: number, now: number): void
  /** Once, whoever ended it. */
  closed(reason: string): void
}

/** One for all connections: libuv reads into it and calls back before it reads again. */
const shared = Buffer.allocUnsafe(256 * 1024)
/** Not zero: servers skip unmasking then, which they cannot do for browsers. */
const mask = Buffer.from(randomBytes(4).map((byte) => byte | 1))

export function openWire(target: Target, path: string, listener: WireListener): Wire {
  let upgraded = false
  let eager = true
  let leaveWheel = () => {}
  let head = Buffer.alloc(0)
  let reason = 'closed'

  const frames = createFrameReader((opcode, buffer, start, end, now) => {
    if (opcode === TEXT) return listener.text(buffer, start, end, now)
    if (opcode === PING) return void socket.write(maskedFrame(PONG, '', mask))
    if (opcode === CLOSE) {
      reason = end - start < 2 ? 'close frame' : `close frame ${buffer.readUInt16BE(start)}`
      socket.end()
    }
  })

  function readHead(chunk: Buffer, now: number): void {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const status = head.toString('latin1', 9, 12)
    if (status !== '101') {
      reason = `HTTP ${status}`
      return void socket.destroy()
    }
    upgraded = true
    const rest = head.subarray(end + 4)
    head = Buffer.alloc(0)
    listener.opened()
    if (rest.length > 0) frames.read(rest, rest.length, now)
  }

  const socket = connect({
    ...target,
    noDelay: true,
    onread: {
      buffer: shared,
      callback(length) {
        const now = micros()
        if (upgraded) frames.read(shared, length, now)
        else readHead(shared.subarray(0, length), now)
        return eager // false stops the reading
      },
    },
  })
  socket.once('connect', () => {
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${target.host}:${target.port}\r\nUpgrade: websocket\r\n` +
        'Connection: Upgrade\r\nSec-WebSocket-Key: cm9vbXdpcmUgYmVuY2ggIQ==\r\n' +
        'Sec-WebSocket-Version: 13\r\n\r\n',
    )
  })
  socket.once('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message
  })
  socket.once('close', () => {
    leaveWheel()
    listener.closed(reason)
  })

  /** Past the event loop, where a socket that is paused wakes the process once more at its next data. */
  function readWhatIsThere(): void {
    const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null }
    if (handle === null) return
    for (let length = shared.length; length === shared.length; ) {
      try {
        length = readSync(handle.fd, shared)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') return
        reason = code ?? reason
        length = 0
      }
      if (length === 0) socket.destroy()
      else frames.read(shared, length, micros())
    }
  }

  return {
    send: (text) => void socket.write(maskedFrame(TEXT, text, mask)),
    readBy(wheel) {
      eager = false
      leaveWheel = wheel.add(readWhatIsThere)
    },
    destroy: () => void socket.resetAndDestroy(),
  }
}
