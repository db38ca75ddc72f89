import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { Scope } from './scope.ts'

/** An engine.io connection over a bare WebSocket: what is sent is what is written. */
export interface RawConnection {
  readonly socket: WebSocket
  /** Every text packet received, with its engine.io type. */
  readonly packets: readonly string[]
  readonly open: boolean
  /** Resolves with the first packet, past or future, that matches; undefined once it is closed. */
  packet(matches: RegExp): Promise<string | undefined>
  /** Writes bytes that are no WebSocket frame. */
  writeBytes(bytes: Uint8Array): void
  close(): void
}

/** Connects and reads the engine.io handshake; the Socket.IO one is the caller's. */
export async function connectRaw(scope: Scope, url: string): Promise<RawConnection> {
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`,
    { perMessageDeflate: false },
  )
  scope.defer(() => socket.terminate())
  const packets: string[] = []
  const waiting = new Set<() => void>()
  const changed = () => {
    for (const check of waiting) check()
  }
  socket.on('message', (data, isBinary) => {
    if (isBinary) return
    packets.push(String(data))
    if (String(data) === '2' && socket.readyState === WebSocket.OPEN) socket.send('3')
    changed()
  })
  socket.on('close', changed)
  socket.on('error', () => undefined) // the close that follows says it
  await once(socket, 'open')

  const connection: RawConnection = {
    socket,
    packets,
    get open() {
      return socket.readyState === WebSocket.OPEN
    },
    packet: (matches) =>
      new Promise((resolve) => {
        function check(): void {
          const found = packets.find((packet) => matches.test(packet))
          const over = socket.readyState === WebSocket.CLOSED
          if (found === undefined && !over) return
          waiting.delete(check)
          resolve(found)
        }
        waiting.add(check)
        check()
      }),
    writeBytes(bytes) {
      const tcp: { write(bytes: Uint8Array): void } | undefined = Reflect.get(socket, '_socket')
      tcp?.write(bytes)
    },
    close: () => socket.terminate(),
  }
  await connection.packet(/^0/)
  return connection
}
