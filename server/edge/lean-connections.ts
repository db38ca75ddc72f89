import type { IncomingMessage } from 'node:http'
import type { Server } from 'socket.io'
import type { EngineConnection } from './engine.ts'
import { compactListeners } from './lean-listeners.ts'
import { releaseUpgraded } from './upgrades.ts'

type Engine = Server['engine']
type Listener = (...args: unknown[]) => void
/** As Node wraps a listener of `once`: those who listen to all of them have no `listener`. */
type OnceListener = Listener & { listener?: Listener }

/** ws's, with the TCP or TLS socket below it. */
type WebSocketLike = NodeJS.EventEmitter & { _socket?: NodeJS.EventEmitter }

/**
 * Gives back what nobody uses of a connection while it lasts, a fifth of an idle one: the response that
 * middleware of the engine might have wanted; one copy for each connection of headers that are the same
 * for all; room for listeners that never come. Applications find everything as it was.
 * tests/unit/lean-connections.test.ts fails when the installed versions keep things elsewhere; nothing is
 * given back then.
 */
export function keepConnectionsLean(engine: Engine): void {
  forgetResponses(engine)
  engine.on('connection', (conn: EngineConnection) => {
    shareTexts(conn.request)
    if (conn.transport.name === 'websocket') compactTransport.call(conn)
    else conn.once('upgrade', compactTransport)
    compactListeners(conn)
  })
}

/**
 * A WebSocket's handshake has a response that only middleware gets. It listens for the end of its
 * connection, and holds its request until then, which ours, and that of `cors`, have no use for.
 */
function forgetResponses(engine: Engine): void {
  // With middleware the engine goes on in a later turn: what listens until then is the response.
  engine.use((_request: unknown, _response: unknown, next: () => void) => next())
  const { handleUpgrade } = engine
  const { middlewares } = engine as unknown as { middlewares?: unknown[] }
  const ours = middlewares?.length

  engine.handleUpgrade = (request, socket, head) => {
    const before = socket.listenerCount('close')
    handleUpgrade.call(engine, request, socket, head)
    if (ours === undefined || middlewares?.length !== ours) return
    const added = socket.rawListeners('close').slice(before) as OnceListener[]
    const [ended] = added
    if (added.length === 1 && ended?.listener !== undefined) socket.off('close', ended)
  }
}

function compactTransport(this: EngineConnection): void {
  const { transport } = this
  const { socket } = transport as unknown as { socket?: WebSocketLike }
  // Listeners for what only polling tells, and for what came before the transport.
  transport.removeAllListeners('headers')
  for (const listener of socket?.listeners('error') ?? []) {
    if (listener.name === 'onUpgradeError') socket?.off('error', listener as Listener)
  }
  if (socket?._socket !== undefined) releaseUpgraded(socket._socket)
  compactListeners(transport)
  compactListeners(socket)
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

/** Replaces a request's texts by equal ones that other requests have, too. */
function shareTexts(request: IncomingMessage): void {
  const { headers, rawHeaders, url } = request
  if (url === lastUrl) request.url = lastUrl
  else lastUrl = url
  request.httpVersion = shared(request.httpVersion)
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string' && SHARED.has(name)) headers[name] = shared(value)
  }
  for (const [index, text] of rawHeaders.entries()) {
    rawHeaders[index] = index % 2 === 0 ? shared(text) : (values.get(text) ?? text)
  }
}
