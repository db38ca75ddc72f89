import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Socket as TcpSocket } from 'node:net'
import type { Socket } from 'socket.io'
import { boundDepth } from './depth.ts'

/**
 * All we know of engine.io and ws beyond their public interfaces, but for what frames are written to
 * (line.ts) and what an idle connection keeps (lean-connections.ts). Everything here answers for what it
 * finds, so that another shape means the plain path, not a broken one; tests/unit/outlet.test.ts fails when
 * the installed versions have another shape.
 */
export type EngineConnection = Socket['conn']

/** engine.io's transport, ws's WebSocket, and the socket below it. */
interface WebSocketTransport {
  socket: {
    _socket?: TcpSocket
    on(event: 'ping', listener: () => void): void
  }
}

/**
 * Whether the peer of a WebSocket has said that it closes it. What is sent between its word and the end,
 * be it a ping, fails, and engine.io calls the end a transport error.
 */
export function closedByPeer(conn: EngineConnection): boolean {
  const transport: unknown = conn.transport
  const webSocket = isRecord(transport) ? transport['socket'] : undefined
  return isRecord(webSocket) && webSocket['_closeFrameReceived'] === true
}

/** Packets that wait because the transport has not taken the ones before. */
export function waitingPackets(conn: EngineConnection): { data?: unknown; options?: unknown }[] {
  return conn['writeBuffer'] ?? []
}

/**
 * Bytes of those packets and of what the transport has taken but not sent, about; a shared frame
 * counts for each of its connections.
 */
export function waitingBytes(conn: EngineConnection): number {
  const transport: unknown = conn.transport
  const webSocket = isRecord(transport) ? transport['socket'] : undefined
  let bytes = isRecord(webSocket) ? Number(webSocket['bufferedAmount'] ?? 0) : 0
  for (const { data, options } of waitingPackets(conn)) {
    const frames = isRecord(options) ? options['wsPreEncodedFrame'] : undefined
    if (Array.isArray(frames)) for (const frame of frames) bytes += lengthOf(frame)
    else bytes += lengthOf(data)
  }
  return bytes
}

/** An engine.io packet before anything was made of it. */
export interface IncomingPacket {
  type: string
  data?: unknown
}

/** Told of each WebSocket ping, which ws answers by itself and nobody else hears of; browsers send none. */
export function onPing(conn: EngineConnection, listener: () => void): void {
  const listen = () => {
    const { socket } = conn.transport as unknown as Partial<WebSocketTransport>
    socket?.on('ping', listener)
  }
  if (conn.transport.name === 'websocket') listen()
  else conn.once('upgrade', listen)
}

/** In a listener of `packet`: nobody hears of it; engine.io still counts it as a sign of life. */
export function swallow(packet: IncomingPacket): void {
  packet.type = 'noop'
}

/** Shorter packets are parsed in no time, whatever is in them. */
const DEEP_LENGTH = 2000
/** Namespaces that a connection may ask for per second; a client asks once for each that it uses. */
const MAX_CONNECTS_PER_SECOND = 50

/**
 * Looks at what arrives before Socket.IO parses it. What is nested too deep is cut (depth.ts).
 * Connections that keep asking for namespaces are ended. Socket.IO refuses to admit a connection twice,
 * but only from the next turn on: one request full of CONNECT packets made 300,000 sockets and kept
 * the process from everybody else for 25 s.
 *
 * @returns what is to be called with each connection
 */
export function createPacketLimits(): (conn: EngineConnection) => void {
  /** Requests in this second. */
  let connects = new WeakMap<EngineConnection, number>()
  let since = performance.now()

  // One listener for all connections: each calls it as its own.
  function count(this: EngineConnection, packet: IncomingPacket): void {
    const { type, data } = packet
    if (type !== 'message' || typeof data !== 'string') return
    if (data.length > DEEP_LENGTH) packet.data = boundDepth(data)
    if (!data.startsWith('0')) return
    if (performance.now() - since > 1000) {
      connects = new WeakMap()
      since = performance.now()
    }
    const asked = (connects.get(this) ?? 0) + 1
    connects.set(this, asked)
    if (asked !== MAX_CONNECTS_PER_SECOND + 1) return
    this.removeAllListeners('data') // what else the same payload holds still arrives
    this.close(true)
  }

  return (conn) => void conn.on('packet', count)
}

/**
 * Makes WebSocket handshakes cheaper: their URL, the same for nearly everybody, is parsed once. To be
 * called before Socket.IO attaches to the server, and only where it takes WebSockets: a server that
 * listens for upgrades has to answer them. engine.io takes a `_query` that it finds.
 */
export function parseUrlsOnce(server: HttpServer): void {
  let known: { url: string; query: Record<string, string> } | undefined
  server.on('upgrade', (request: IncomingMessage & { _query?: object }) => {
    const { url = '' } = request
    if (url !== known?.url) {
      if (url.length > MAX_KNOWN_URL || url.includes('sid=')) return // nobody else's
      if (!URL.canParse(url, 'http://localhost')) return // nobody's: this may be any path
      known = { url, query: Object.fromEntries(new URL(url, 'http://localhost').searchParams) }
    }
    request._query = { ...known.query }
  })
}

const MAX_KNOWN_URL = 200

/**
 * Sends the answer to a WebSocket handshake and engine.io's first packet in one write instead of two.
 * For the engine's `initial_headers`, which comes just before the answer is written.
 */
export function corkHandshake(_headers: unknown, { upgrade, socket }: EngineRequest): void {
  if (!upgrade) return
  socket.cork()
  setImmediate(() => socket.uncork())
}

type EngineRequest = IncomingMessage & { upgrade?: boolean }

/** How long a peer that takes nothing may keep its connection half closed. */
const LINGER_MS = 5000

/**
 * Ends a connection whose peer may not be reading: what waits for it is dropped, but for `farewell`, and for
 * the attachments of a packet that has gone already. A client that gets anything else in their place ends
 * the connection itself, and does not hear the farewell.
 */
export function cutOff(conn: EngineConnection, farewell: () => void): void {
  const waiting = waitingPackets(conn)
  const end = waiting.findIndex(({ data }) => !isBinary(data))
  if (end >= 0) waiting.length = end
  farewell()
  const { transport } = conn
  conn.close()
  terminateLater(conn, transport)
}

/** Ends a connection that is being closed, also where its peer does not let it end. */
export function terminateLater(conn: EngineConnection, transport: unknown = conn.transport): void {
  setTimeout(() => {
    const socket = isRecord(transport) ? transport['socket'] : undefined
    if (isRecord(socket) && typeof socket['terminate'] === 'function') socket['terminate']()
    else conn.close(true)
  }, LINGER_MS).unref()
}

/**
 * Throws away unread what a connection that is being ended still sends: a flooder's next half second is
 * on its way. Nobody waits for its answer to the close frame; it reads ours, and the end of the stream.
 */
export function stopReading(conn: EngineConnection): void {
  const transport = conn.transport as unknown as Partial<WebSocketTransport>
  const tcp = transport.socket?._socket
  if (tcp === undefined) return
  tcp.removeAllListeners('data')
  tcp.resume()
  if (conn.readyState === 'closed') tcp.end()
  else conn.once('close', () => tcp.end())
}

/** What Socket.IO sends, and hands on, as an attachment. */
export function isBinary(value: unknown): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  return ArrayBuffer.isView(value) ? value.byteLength : 0
}

/** An object of which nothing else is known. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
