import { type IncomingHttpHeaders, type IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Server } from 'socket.io'
import type { EngineConnection } from './engine.ts'
import { compactListeners } from './lean-listeners.ts'

type Engine = Server['engine']
type Listener = (...args: unknown[]) => void
/** As Node wraps a listener of `once`: those who listen to all of them have no `listener`. */
type OnceListener = Listener & { listener?: Listener }

/**
 * Gives back what nobody uses of a connection while it lasts, a quarter of an idle one: the request of
 * its handshake as Node parsed it, but for what Socket.IO and its applications ask for; the response that
 * middleware of the engine might have wanted; room for listeners that never come. An application with
 * middleware of its own on the engine finds its requests as they were. tests/unit/lean-connections.test.ts
 * fails when the installed versions keep things elsewhere; nothing is given back then.
 */
export function keepConnectionsLean(engine: Engine): void {
  /** What ends the hold of each handshake's response on its request. */
  const responses = new WeakMap<IncomingMessage, () => void>()

  engine.use((request: IncomingMessage, response: ServerResponse, next: () => void) => {
    // One of a WebSocket only tells of the end of its connection, to which it has just begun to listen.
    if (!(response instanceof ServerResponse)) {
      const { socket } = request
      const ended = socket.rawListeners('close').at(-1) as OnceListener | undefined
      if (ended?.listener !== undefined) responses.set(request, () => socket.off('close', ended))
    }
    next()
  })
  const { middlewares } = engine as unknown as { middlewares?: unknown[] }
  const ours = middlewares?.length
  const alone = () => ours !== undefined && middlewares?.length === ours

  engine.on('headers', (_headers: unknown, request: IncomingMessage) => {
    if (alone()) responses.get(request)?.()
  })
  engine.on('connection', (conn: EngineConnection) => {
    if (alone()) Object.assign(conn, { request: new HandshakeRequest(conn.request) })
    if (conn.transport.name === 'websocket') compactTransport.call(conn)
    else conn.once('upgrade', compactTransport)
    compactListeners(conn)
  })
}

function compactTransport(this: EngineConnection): void {
  const { transport } = this
  const { socket } = transport as unknown as { socket?: NodeJS.EventEmitter }
  // Listeners for what only polling tells, and for what came before the transport.
  transport.removeAllListeners('headers')
  for (const listener of socket?.listeners('error') ?? []) {
    if (listener.name === 'onUpgradeError') socket?.off('error', listener as Listener)
  }
  compactListeners(transport)
  compactListeners(socket)
}

type EngineRequest = IncomingMessage & { upgrade?: boolean; _query?: unknown }

/** What remains of a request, under the names that it had. */
class HandshakeRequest {
  readonly headers: IncomingHttpHeaders
  readonly url: string | undefined
  readonly socket: Peer
  readonly _query: unknown

  constructor(request: EngineRequest) {
    const { headers, url, socket, _query } = request
    this.headers = leanHeaders(headers)
    if (url !== lastUrl) lastUrl = url
    this.url = lastUrl
    this.socket = request.upgrade ? socket : peerOf(socket)
    this._query = _query
  }

  get connection(): Peer {
    return this.socket
  }

  get method(): string {
    return 'GET'
  }
}

type Peer = Pick<TLSSocket, 'remoteAddress' | 'remoteFamily' | 'remotePort'> &
  Partial<Pick<TLSSocket, 'encrypted'>>

/** Each request of polling may come over another socket: the first one's is soon gone. */
function peerOf(socket: Peer): Peer {
  const { remoteAddress, remoteFamily, remotePort, encrypted } = socket
  return { remoteAddress, remoteFamily, remotePort, ...(encrypted && { encrypted }) }
}

/** WebSocket handshakes have the same one, nearly all of them. */
let lastUrl: string | undefined

/** Headers with the same few values on all connections. None of them is a secret. */
const SHARED = new Set([
  ...['accept', 'accept-encoding', 'accept-language', 'cache-control', 'connection', 'host'],
  ...['origin', 'pragma', 'upgrade', 'user-agent', 'sec-ch-ua', 'sec-ch-ua-mobile'],
  ...['sec-ch-ua-platform', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site'],
  ...['sec-websocket-extensions', 'sec-websocket-version', 'x-forwarded-host'],
  ...['x-forwarded-port', 'x-forwarded-proto'],
])
/** Values, and characters of one, that are kept for others; 600 kB at most. */
const MAX_SHARED = 1000
const MAX_SHARED_LENGTH = 300

const values = new Map<string, string>()

/** The one string of its value that all connections have. */
function shared(value: string): string {
  if (value.length > MAX_SHARED_LENGTH) return value
  const known = values.get(value)
  if (known !== undefined) return known
  if (values.size === MAX_SHARED) values.clear()
  values.set(value, value)
  return value
}

function leanHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const lean: IncomingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    lean[name] = typeof value === 'string' && SHARED.has(name) ? shared(value) : value
  }
  return lean
}
