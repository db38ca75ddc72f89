import { io, type Socket } from 'socket.io-client'
import type { ByeEvent, Durability, HelloReply, Sender } from '../../server/protocol.ts'
import { retryDelay } from './backoff.ts'
import type { Identity } from './identity.ts'
import { createTopic } from './topic.ts'
import {
  failureOf,
  type GatewayEvents,
  type Reply,
  RequestFailed,
  type Requests,
  type WireError,
} from './wire.ts'

/** `offline`: we stay away, by choice or because the gateway said so. */
export type ConnectionState = 'connecting' | 'live' | 'degraded' | 'offline'

export interface ConnectionStatus {
  state: ConnectionState
  /** Why it is so, in a sentence for the visitor. */
  notice: string | undefined
  transport: string | undefined
  instance: string | undefined
  user: Sender | undefined
  durability: Durability | undefined
  /** How often this page came back after it had been connected once. */
  reconnections: number
}

export interface Connection {
  readonly status: ConnectionStatus
  /** Connected, and the gateway has told us who we are: requests may go out. */
  readonly ready: boolean
  onStatus(listener: (status: ConnectionStatus) => void): () => void
  /** Called once for each new connection; rooms have to be joined anew. */
  onReady(listener: () => void): () => void
  on<Event extends keyof GatewayEvents>(event: Event, listener: GatewayEvents[Event]): () => void
  /** Rejects with `RequestFailed`; not being connected and no answer in 5 s are retryable. */
  request<Name extends keyof Requests>(
    name: Name,
    payload: Requests[Name]['payload'],
  ): Promise<Requests[Name]['result']>
  /** May be lost. */
  typing(room: string, typing: boolean): void
  goOnline(): void
  goOffline(): void
  /** Cuts the transport, as a broken network would; the page comes back by itself. */
  kill(): void
}

const ANSWER_MS = 5_000
const RECONNECT_MS = 500
const RECONNECT_MAX_MS = 5_000

export function createConnection(identity: Identity, socketPath: string): Connection {
  const socket: Socket = io({
    path: socketPath,
    // WebSocket first needs no sticky balancer; polling is there for gateways and proxies without it.
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    autoConnect: false,
    reconnectionDelay: RECONNECT_MS,
    reconnectionDelayMax: RECONNECT_MAX_MS,
    auth: (send) => send({ session: identity.session, name: identity.name }),
  })
  const statuses = createTopic<ConnectionStatus>()
  const readiness = createTopic<void>()
  let status: ConnectionStatus = {
    state: 'connecting',
    notice: undefined,
    transport: undefined,
    instance: undefined,
    user: undefined,
    durability: undefined,
    reconnections: 0,
  }
  let ready = false
  let connects = 0
  let refusals = 0
  let bye: ByeEvent | undefined

  const update = (change: Partial<ConnectionStatus>) => {
    status = { ...status, ...change }
    statuses.publish(status)
  }

  const on: Connection['on'] = (event, listener) => {
    // socket.io's own listener types do not follow a generic event name.
    const untyped = listener as (...args: unknown[]) => void
    socket.on(event as string, untyped)
    return () => socket.off(event as string, untyped)
  }

  async function request<Name extends keyof Requests>(
    name: Name,
    payload: Requests[Name]['payload'],
  ): Promise<Requests[Name]['result']> {
    if (!socket.connected) {
      // Socket.IO would queue it; the outbox and the rooms know better what to repeat.
      throw new RequestFailed({ code: 'OFFLINE', message: 'not connected', retryable: true })
    }
    let reply: Reply<Requests[Name]['result']>
    try {
      reply = await socket.timeout(ANSWER_MS).emitWithAck(name, payload)
    } catch {
      throw new RequestFailed({ code: 'TIMEOUT', message: 'no answer', retryable: true })
    }
    if (!reply.ok) throw new RequestFailed(reply.error)
    return reply
  }

  async function introduce(connect: number, failures = 0): Promise<void> {
    let hello: HelloReply
    try {
      hello = await request('gateway:hello', {})
    } catch (thrown) {
      if (connect !== connects || !socket.connected) return
      const failure = failureOf(thrown)
      update({ notice: `The gateway does not introduce itself: ${failure.message}` })
      const delay = retryDelay(failures, failure.retryAfterMs)
      setTimeout(() => void introduce(connect, failures + 1), delay)
      return
    }
    if (connect !== connects || !socket.connected) return
    ready = true
    update({
      state: hello.state === 'ok' ? 'live' : 'degraded',
      // A degraded gateway has said why already, before it was asked anything.
      notice: hello.state === 'ok' ? undefined : status.notice,
      instance: hello.instance,
      user: hello.user,
      durability: hello.durability,
    })
    readiness.publish()
  }

  socket.on('connect', () => {
    connects += 1
    bye = undefined
    refusals = 0
    socket.io.reconnectionDelay(RECONNECT_MS)
    socket.io.reconnectionDelayMax(RECONNECT_MAX_MS)
    const { engine } = socket.io
    engine.on('upgrade', (transport) => update({ transport: transport.name }))
    update({ transport: engine.transport.name, reconnections: connects - 1 })
    void introduce(connects)
  })

  socket.on('disconnect', (reason) => {
    ready = false
    const away = !socket.active
    update({
      state: away ? 'offline' : 'connecting',
      notice:
        reason === 'io client disconnect'
          ? 'You went offline.'
          : away
            ? `The gateway ended this connection${bye ? ` (${bye.code})` : ''}.`
            : bye
              ? `The gateway asked us to come back (${bye.code}).`
              : 'The connection was lost.',
      transport: undefined,
      instance: undefined,
    })
  })

  socket.on('connect_error', (error) => {
    if (socket.active) {
      update({ state: 'connecting', notice: 'The gateway cannot be reached; trying again.' })
    } else if (refusal(error)?.retryable) {
      // socket.io gives up when it is refused; the gateway only meant: not now.
      update({ state: 'connecting', notice: `Not let in yet: ${error.message}` })
      setTimeout(() => socket.connect(), retryDelay(refusals, refusal(error)?.retryAfterMs))
      refusals += 1
    } else {
      update({ state: 'offline', notice: `The gateway refused the connection: ${error.message}` })
    }
  })

  on('gateway:status', ({ state, reason }) => {
    const notice =
      reason && `The gateway cannot reach its message store (${reason}); what you send waits.`
    if (!ready) update({ notice })
    else update({ state: state === 'ok' ? 'live' : 'degraded', notice })
  })

  on('gateway:drain', () => update({ notice: 'This instance is handing us to another one.' }))

  on('gateway:bye', (event) => {
    bye = event
    if (event.retryAfterMs !== undefined) {
      socket.io.reconnectionDelay(Math.max(event.retryAfterMs, RECONNECT_MS))
      socket.io.reconnectionDelayMax(Math.max(event.retryAfterMs, RECONNECT_MAX_MS))
    }
  })

  return {
    get status() {
      return status
    },
    get ready() {
      return ready
    },
    onStatus: statuses.subscribe,
    onReady: readiness.subscribe,
    on,
    request,
    typing(room, typing) {
      if (socket.connected) socket.volatile.emit('room:typing', { room, typing })
    },
    goOnline() {
      if (socket.active) return
      update({ state: 'connecting', notice: undefined })
      socket.connect()
    },
    goOffline() {
      socket.disconnect()
      // While still connecting there is no `disconnect` event to say so.
      update({ state: 'offline', notice: 'You went offline.' })
    },
    kill: () => socket.io.engine?.close(),
  }
}

/** What the gateway put into its refusal of a handshake; undefined when it never answered. */
function refusal(error: Error): WireError | undefined {
  return 'data' in error ? (error.data as WireError | undefined) : undefined
}
