import { writeSync } from 'node:fs'
import { Socket as TcpSocket } from 'node:net'
import { type EngineConnection, isRecord } from './engine.ts'

/**
 * What lies below a connection on a WebSocket that takes complete frames. Found once and kept: an instance
 * with many connections finds none of it in its caches, and a delivery spent a sixth of its time on the
 * way from one object to the next.
 */
export interface Line {
  readonly conn: EngineConnection
  readonly transport: { readonly writable: boolean }
  readonly webSocket: { readonly readyState: number }
  readonly tcp: TcpSocket
  /** The TCP socket's file descriptor; -1 where frames have to go through its stream. */
  readonly descriptor: number
}

const OPEN = 1
const NONE = -1

/**
 * The line of a connection whose transport takes complete frames. It is final then: a WebSocket never
 * becomes polling. Undefined where it does not, or where engine.io and ws are not as we know them:
 * tests/unit/outlet.test.ts fails then, and everything takes the plain path.
 */
export function lineOf(conn: EngineConnection): Line | undefined {
  const transport: unknown = conn.transport
  if (!isRecord(transport) || conn.transport.name !== 'websocket') return undefined
  if (transport['perMessageDeflate'] || typeof transport['writable'] !== 'boolean') return undefined
  const { socket: webSocket } = transport
  if (!isRecord(webSocket) || !isRecord(webSocket['_sender'])) return undefined
  if (typeof webSocket['_sender']['sendFrame'] !== 'function') return undefined
  const { _socket: tcp, readyState } = webSocket
  if (!(tcp instanceof TcpSocket) || typeof readyState !== 'number') return undefined
  if (!Array.isArray(conn['writeBuffer'])) return undefined
  const found: unknown = { conn, transport, webSocket, tcp, descriptor: descriptorOf(tcp) }
  return found as Line
}

/**
 * Whether nothing waits, neither in engine.io's queue nor in ws: complete frames may be written past both,
 * and come in order. Whether the socket itself has taken everything before is the caller's to ask.
 */
export function isClear({ conn, transport, webSocket, tcp }: Line): boolean {
  return (
    conn['writeBuffer'].length === 0 &&
    conn.readyState === 'open' &&
    transport.writable &&
    webSocket.readyState === OPEN &&
    tcp.writable
  )
}

/**
 * Writes to a line that is clear and whose socket has taken everything before: to the kernel, past the
 * stream, which costs as much as a third of the system call and is left what the kernel does not take.
 */
export function writeThrough({ tcp, descriptor }: Line, frames: Buffer): void {
  let written = 0
  if (descriptor !== NONE) {
    try {
      written = writeSync(descriptor, frames, 0, frames.length, null)
    } catch {
      // The kernel takes nothing more for now, or the connection is broken: the stream finds out which.
    }
  }
  if (written < frames.length) tcp.write(written === 0 ? frames : frames.subarray(written))
}

/**
 * It is the socket's for as long as the socket is `writable`: that ends before the descriptor is closed.
 * What is encrypted has one, too, and must not be written past its encryption.
 */
function descriptorOf(tcp: TcpSocket): number {
  if ('encrypted' in tcp) return NONE
  const { _handle: handle } = tcp as unknown as { _handle?: { fd?: unknown } | null }
  const descriptor = handle?.fd
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : NONE
}
