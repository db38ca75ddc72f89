import { io, type Socket } from 'socket.io-client'
import type { ByeEvent, Durability, Limits, Sender } from '../server/protocol.ts'
import { LONGEST_TIMER_MS, retryDelay } from './backoff.ts'
import { type ErrorShape, fromWire, RoomwireError } from './errors.ts'
import type { ConnectOptions } from './options.ts'
import type { GatewayEvents, Reply, Requests } from './wire.ts'

/**
 * `connecting`: trying, for the first time or again. `resuming`: connected again, rooms are catching
 * up. `degraded`: connected, but the gateway cannot reach its store; what is sent waits. `offline`:
 * the browser says so, or we stay away: paused, closed, refused, sent away.
 */
export type ClientState = 'connecting' | 'live' | 'degraded' | 'resuming' | 'offline'

export interface ConnectionStatus {
  readonly state: ClientState
  /** Why it is not live, where that is known. */
  readonly error: RoomwireError | undefined
  readonly transport: string | undefined
  readonly instance: string | undefined
  /** Who we are to others. */
  readonly user: Sender | undefined
  /** What an acknowledgement is worth at this gateway. */
  readonly durability: Durability | undefined
  /** How often it came back after it had been connected once. */
  readonly reconnections: number
}

export interface ConnectionDeps {
  /** Rooms are not up to date yet. */
  catchingUp(): boolean
  changed(status: ConnectionStatus): void
  /** A new connection; rooms have to be joined anew. */
  ready(): void
  /** The gateway's store is back. */
  restored(): void
  /** The gateway has left this room: a new token gives no right to it. */
  left(room: string): void
}

export interface Connection {
  readonly socket: Socket
  readonly status: ConnectionStatus
  /** Connected, introduced, and not about to leave: requests may go out. */
  readonly ready: boolean
  readonly limits: Limits | undefined
  /**
   * Calls `done` at the reply's place among the events, so that none overtakes it. Not being connected
   * and no answer in 5 s are retryable.
   */
  ask<Name extends keyof Requests>(
    name: Name,
    payload: Requests[Name][0],
    done: (error: RoomwireError | undefined, result: Requests[Name][1]) => void,
    timeoutMs?: number,
  ): void
  /** The same as a promise; rejects with `RoomwireError`. */
  request<Name extends keyof Requests>(
    name: Name,
    payload: Requests[Name][0],
  ): Promise<Requests[Name][1]>
  /** What `catchingUp` says has changed. */
  refresh(): void
  /** Connects, and stays connected until `stop`. */
  open(session: string): void
  stop(error: RoomwireError): void
  close(): void
}

const ANSWER_MS = 5_000
const PROBE_MS = 3_000
/** For a token, a transport and a welcome. */
const CONNECT_MS = 15_000

export function createConnection(
  url: string,
  options: ConnectOptions,
  deps: ConnectionDeps,
): Connection {
  let auth: object = {}
  const socket: Socket = io(url, {
    forceNew: true,
    path: options.path ?? '/socket.io/',
    // WebSocket first needs no sticky balancer; polling is for gateways and proxies without it.
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    ...options.socket,
    autoConnect: false,
    reconnection: false, // ours: it fetches a token first, and heeds what the gateway asks for
    auth: (give) => give(auth),
  })
  let session: string | undefined
  /** `stopped` is told from not having begun. */
  let phase: 'new' | 'open' | 'stopped' = 'new'
  let ready = false
  let degraded = false
  let connects = 0
  /** Attempts in a row that failed, and those that the gateway refused. */
  let failures = 0
  let refusals = 0
  /** Of attempts and connections: an answer that comes later than its turn means nothing. */
  let turn = 0
  let pending = 0
  /** Between two attempts. */
  let waits = false
  let limits: Limits | undefined
  let bye: ByeEvent | undefined
  const timers: Partial<Record<'attempt' | 'drain' | 'token', ReturnType<typeof setTimeout>>> = {}
  let status = { state: 'connecting', reconnections: 0 } as ConnectionStatus

  function update(change: Partial<ConnectionStatus> = {}): void {
    const away = phase === 'stopped' || (!ready && globalThis.navigator?.onLine === false)
    let state: ClientState = 'live'
    if (away) state = 'offline'
    else if (!ready) state = 'connecting'
    else if (degraded) state = 'degraded'
    else if (connects > 1 && deps.catchingUp()) state = 'resuming'
    const next = { ...status, ...change, state }
    const keys = Object.keys(next) as (keyof ConnectionStatus)[]
    if (keys.every((key) => status[key] === next[key])) return
    status = next
    deps.changed(status)
  }

  function after(ms: number, what: keyof typeof timers, act: () => void): void {
    clearTimeout(timers[what])
    timers[what] = setTimeout(act, Math.min(ms, LONGEST_TIMER_MS))
  }

  const token = async () => (typeof options.token === 'function' ? options.token() : options.token)

  async function attempt(): Promise<void> {
    const mine = ++turn
    waits = false
    // Also for a network that takes the connection and then says nothing.
    after(CONNECT_MS, 'attempt', () => {
      socket.disconnect()
      retry(new RoomwireError('TIMEOUT', 'no answer', true))
    })
    try {
      // `attempts`: what an operator cannot see, how often it was tried before a gateway heard of it.
      auth = { session, name: options.name, token: await token(), attempts: failures }
      if (mine === turn) socket.connect()
    } catch (thrown) {
      if (mine === turn) retry(new RoomwireError('TOKEN_FAILED', `${thrown}`, true))
    }
  }

  function retry(error: RoomwireError): void {
    turn += 1
    waits = true
    after(retryDelay(failures++, error.retryAfterMs), 'attempt', attempt)
    update({ error })
  }

  /** Whatever was about to happen does not. */
  function rest(): void {
    turn += 1
    ready = false
    degraded = false
    for (const timer of Object.values(timers)) clearTimeout(timer)
  }

  function stop(error: RoomwireError): void {
    phase = 'stopped'
    rest()
    socket.disconnect()
    update({ error, transport: undefined, instance: undefined })
  }

  /** Ends a transport that is not to be trusted any more; `disconnect` follows. */
  const cut = () => void socket.io.engine?.close()

  function ask<Name extends keyof Requests>(
    name: Name,
    payload: Requests[Name][0],
    done: (error: RoomwireError | undefined, result: Requests[Name][1]) => void,
    timeoutMs = ANSWER_MS,
  ): void {
    const fail = (error: RoomwireError) => done(error, {} as Requests[Name][1])
    if (!socket.connected) {
      fail(new RoomwireError('OFFLINE', 'not connected', true))
      return
    }
    pending += 1
    socket
      .timeout(timeoutMs)
      .emit(name, payload, (lost: unknown, reply: Reply<Requests[Name][1]>) => {
        pending -= 1
        if (lost) fail(new RoomwireError('TIMEOUT', 'no answer', true))
        else if (reply.ok) done(undefined, reply)
        else fail(fromWire(reply.error))
      })
  }

  const request: Connection['request'] = (name, payload) =>
    new Promise((resolve, reject) => {
      ask(name, payload, (error, result) => (error ? reject(error) : resolve(result)))
    })

  function introduce(): void {
    ask('gateway:hello', {}, (problem, hello) => {
      if (problem) {
        update({ error: problem })
        return cut()
      }
      const { instance, user, durability } = hello
      ready = true
      failures = 0
      refusals = 0
      connects += 1
      degraded = hello.state === 'degraded'
      limits = hello.limits
      keepToken(hello.expiresAt)
      // A degraded gateway has said why already, before it was asked anything.
      const error = degraded ? status.error : undefined
      update({ instance, user, durability, error, reconnections: connects - 1 })
      deps.ready()
      update()
    })
  }

  /** Hands in a fresh token shortly before the old one ends. */
  function keepToken(expiresAt: number | undefined): void {
    if (!expiresAt || typeof options.token !== 'function') return
    after(Math.max(1_000, (expiresAt - Date.now()) * 0.8), 'token', () => {
      token()
        .then((fresh = '') => request('auth:refresh', { token: fresh }))
        .then(({ expiresAt: next, left }) => {
          keepToken(next)
          left?.forEach(deps.left)
        })
        // The gateway may end this connection; the next one begins with a token of its own.
        .catch(() => undefined)
    })
  }

  /** The network came or went, the page was shown, the machine may have slept. */
  function wake(): void {
    if (phase !== 'open') return
    update()
    if (ready) ask('gateway:hello', {}, (error) => error && cut(), PROBE_MS)
    else if (waits) {
      failures = 0
      void attempt()
    }
  }
  const listening = new AbortController()
  for (const event of ['online', 'offline', 'focus', 'visibilitychange']) {
    globalThis.addEventListener?.(event, wake, listening)
  }

  socket.on('connect', () => {
    turn += 1
    clearTimeout(timers.attempt)
    bye = undefined
    const { engine } = socket.io
    engine.on('upgrade', ({ name }) => update({ transport: name }))
    update({ transport: engine.transport.name })
    introduce()
  })

  socket.on('disconnect', (reason) => {
    if (phase !== 'open' || reason === 'io client disconnect') return
    rest()
    update({ transport: undefined, instance: undefined })
    const back = reason !== 'io server disconnect' || bye?.reconnect
    const code = bye?.code ?? (back ? 'OFFLINE' : 'SENT_AWAY')
    const error = new RoomwireError(code, reason, back, bye?.retryAfterMs)
    if (back) retry(error)
    else stop(error)
  })

  socket.on('connect_error', (thrown: Error & { data?: ErrorShape }) => {
    if (phase !== 'open') return
    if (!thrown.data?.code) return retry(new RoomwireError('OFFLINE', 'not connected', true))
    const error = fromWire(thrown.data)
    // A token that has just ended is refused for good; the next one may be taken.
    const another = typeof options.token === 'function' && refusals++ === 0
    if (error.retryable || another) retry(error)
    else stop(error)
  })

  socket.on('gateway:status', ({ state, reason }: GatewayEvents['gateway:status']) => {
    degraded = state === 'degraded'
    const why = `no store: ${reason}`
    update({ error: degraded ? new RoomwireError('UNAVAILABLE', why, true) : undefined })
    if (!degraded && ready) deps.restored()
  })

  // D10: at its turn, and when nothing waits for an answer; else the gateway's own limit decides.
  socket.on('gateway:drain', ({ reconnectInMs }: GatewayEvents['gateway:drain']) => {
    const leave = () => {
      ready = false // nothing new goes out
      if (pending === 0) cut()
      else after(10, 'drain', leave)
    }
    after(reconnectInMs * 0.95, 'drain', leave)
  })

  socket.on('gateway:bye', (event: ByeEvent) => {
    bye = event
  })

  return {
    socket,
    ask,
    request,
    stop,
    get status() {
      return status
    },
    get ready() {
      return ready
    },
    get limits() {
      return limits
    },
    refresh: () => update(),
    open(as) {
      if (phase === 'open') return
      session = as
      phase = 'open'
      failures = 0
      refusals = 0
      update({ error: undefined })
      void attempt()
    },
    close() {
      listening.abort()
      stop(new RoomwireError('CLOSED', 'closed'))
      socket.off()
    },
  }
}
