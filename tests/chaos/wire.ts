import { io, type Socket } from 'socket.io-client'

/** How long a request may stay without a reply on a live connection, in ms. */
const REPLY_MS = 15_000

export interface Reply {
  ok: boolean
  error?: { code: string; retryable: boolean; retryAfterMs?: number }
}

/** A plain socket.io-client, its requests, and the rough handling that it gets. */
export interface Wire {
  readonly socket: Socket
  /**
   * Sends a request; `onReply` gets undefined when no reply came in time on a connection that lives. Not
   * called at all when the connection ends first.
   */
  request(verb: string, payload: object, onReply: (reply?: Reply) => void): void
  /** Runs `action` later, unless the wire was closed. */
  later(ms: number, action: () => void): void
  /** Ends the connection: `close` as a page that is left, `break` as a cable that is cut. */
  drop(how: 'close' | 'break'): void
  /** Stops reading; the returned function reads on. Undefined where there is no WebSocket. */
  stall(): (() => void) | undefined
  /** Ends it for good, with all that was to happen later. */
  close(): void
}

export interface WireOptions {
  url: string
  session: string
  transports: ('websocket' | 'polling')[]
}

export function createWire(options: WireOptions): Wire {
  const timers = new Set<NodeJS.Timeout>()
  const socket = io(options.url, {
    forceNew: true,
    transports: options.transports,
    // Polling clients keep the balancer's cookie.
    withCredentials: true,
    reconnectionDelay: 200,
    reconnectionDelayMax: 1000,
    timeout: 5000,
    auth: { session: options.session },
  })

  function schedule(ms: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      timers.delete(timer)
      action()
    }, ms)
    timers.add(timer)
    return timer
  }

  return {
    socket,
    request(verb, payload, onReply) {
      const { id: connection } = socket
      const timer = schedule(REPLY_MS, () => {
        if (socket.id === connection) onReply()
      })
      socket.emit(verb, payload, (reply: Reply) => {
        clearTimeout(timer)
        timers.delete(timer)
        onReply(reply)
      })
    },
    later: (ms, action) => void schedule(ms, action),
    drop(how) {
      const webSocket = webSocketOf(socket)
      if (how === 'break' && webSocket !== undefined) webSocket.terminate()
      else socket.io.engine?.close()
    },
    stall() {
      const webSocket = webSocketOf(socket)
      if (webSocket === undefined || !socket.connected) return undefined
      webSocket.pause()
      return () => {
        // One that was cut meanwhile reads on by itself.
        if (webSocketOf(socket) === webSocket) webSocket.resume()
      }
    },
    close() {
      for (const timer of timers) clearTimeout(timer)
      socket.disconnect()
    },
  }
}

/** What we use of the `ws` package's client. */
interface RawWebSocket {
  pause(): void
  resume(): void
  terminate(): void
}

/** The WebSocket below an established connection; undefined while polling or not connected. */
function webSocketOf(socket: Socket): RawWebSocket | undefined {
  const transport = socket.io.engine?.transport as unknown as
    | { ws?: RawWebSocket | null }
    | undefined
  return transport?.ws ?? undefined
}
