import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Scope } from './scope.ts'

/**
 * A connection of a session as its own client knows it, over a bare WebSocket: nothing reconnects by
 * itself, and when it ended is known to the ms. Times are of `performance.now()`.
 */
export interface Visitor {
  readonly open: boolean
  /** The gateway's `gateway:bye`, if it said one. */
  readonly bye: string | undefined
  /** Resolves at its end, whoever caused it. */
  readonly closed: Promise<unknown>
  /** Asks and waits for the reply. */
  ask(event: string, payload: object): Promise<Record<string, unknown>>
  /** Ends the WebSocket. */
  close(): void
  /** Leaves as socket.io-client's `disconnect()` does. */
  leave(): Promise<void>
  /** Stops to read and to answer, as one whose network is gone. */
  fallSilent(): void
}

/** Connects, with a Socket.IO handshake's `auth`; resolves once it is admitted. */
export async function visit(scope: Scope, url: string, auth: object): Promise<Visitor> {
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`,
    { perMessageDeflate: false },
  )
  scope.defer(() => socket.terminate())
  const closed = once(socket, 'close')
  closed.catch(() => undefined)
  socket.on('error', () => undefined) // the close that follows says it
  let bye: string | undefined
  let asked = 0
  const waiting = new Map<string, (packet: string) => void>()
  const answer = (to: string) => new Promise<string>((resolve) => waiting.set(to, resolve))
  const welcome = answer('40')

  socket.on('message', (data) => {
    const packet = String(data)
    if (packet.startsWith('0')) socket.send(`40${JSON.stringify(auth)}`)
    else if (packet === '2') socket.send('3')
    else if (packet.startsWith('42["gateway:bye"')) bye = packet
    const head = /^4\d\d*/.exec(packet)?.[0] ?? ''
    waiting.get(head)?.(packet)
    waiting.delete(head)
  })
  const ended = closed.then(() => {
    throw new Error(`${url} ended a connection before it was admitted`)
  })
  await Promise.race([welcome, ended])
  ended.catch(() => undefined)

  return {
    get open() {
      return socket.readyState === WebSocket.OPEN
    },
    get bye() {
      return bye
    },
    closed,
    async ask(event, payload) {
      asked += 1
      const reply = answer(`43${asked}`)
      socket.send(`42${asked}${JSON.stringify([event, payload])}`)
      return JSON.parse((await reply).slice(`43${asked}`.length))[0]
    },
    close: () => socket.close(),
    async leave() {
      socket.send('41')
      socket.close()
      await closed
    },
    fallSilent: () => socket.pause(),
  }
}
