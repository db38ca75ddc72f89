import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Headers that offer another protocol: h2c, as Java's client does by default, and curl --http2. */
const OFFER = /^(upgrade|connection|http2-settings)$/i

/**
 * For `createServer`: only WebSockets are upgrades, other offers are ignored, as they may be (RFC 9110,
 * 7.8). Node 20 does not ask; `guardUpgrades` does the same there.
 */
export const onlyWebSockets: ServerOptions & {
  shouldUpgradeCallback(this: Server, request: IncomingMessage): boolean
} = {
  shouldUpgradeCallback(request) {
    return offersWebSocket(request) && this.listenerCount('upgrade') > 0
  },
}

/**
 * Stands before whoever listens for upgrades by now. From here on nobody else listens to the socket's
 * errors until it is a WebSocket: a peer that resets it meanwhile, refused or not, would end the process.
 */
export function guardUpgrades(server: Server): void {
  const listeners = server.listeners('upgrade') as UpgradeListener[]
  if (listeners.length === 0) return // a server that listens has to answer
  server.removeAllListeners('upgrade')
  server.on('upgrade', (request, socket, head) => {
    if (!offersWebSocket(request)) return replay(server, request, socket, head)
    socket.on('error', ignoreError)
    for (const listener of listeners) listener.call(server, request, socket, head)
  })
}

/** Not needed any more: somebody else listens to its errors. */
export function releaseUpgraded(socket: NodeJS.EventEmitter): void {
  socket.off('error', ignoreError)
}

function ignoreError(): void {
  // It closes, which is what is listened to.
}

function offersWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/** Gives the request to the server once more, as one that offers nothing. */
function replay(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2)
    if (!OFFER.test(name)) text += `${name}: ${value}\r\n`
  }
  socket.unshift(Buffer.concat([Buffer.from(`${text}\r\n`, 'latin1'), head]))
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
}
