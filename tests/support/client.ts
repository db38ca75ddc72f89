import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import type { WireError } from '../../server/errors.ts'
import type {
  HelloReply,
  HistoryReply,
  JoinReply,
  RefreshReply,
  RoomMessage,
  SendReply,
} from '../../server/protocol.ts'
import type { Scope } from './scope.ts'

interface Replies {
  'gateway:hello': HelloReply
  'room:join': JoinReply
  'room:leave': object
  'room:send': SendReply
  'room:history': HistoryReply
  'auth:refresh': RefreshReply
}

export type Reply<Name extends string> =
  | ({ ok: true } & (Name extends keyof Replies ? Replies[Name] : Record<string, unknown>))
  | { ok: false; error: WireError }

export type Accepted<Name extends string> = Extract<Reply<Name>, { ok: true }>

export interface ClientOptions
  extends Partial<Omit<ManagerOptions & SocketOptions, 'auth' | 'transports'>> {
  session?: string
  name?: string
  token?: string
  /** Further fields of the handshake. */
  auth?: Readonly<Record<string, unknown>>
  /** WebSocket alone unless given. */
  transports?: ('websocket' | 'polling')[]
  connectTimeoutMs?: number
}

/** A plain socket.io-client that remembers what it received. */
export interface Client {
  readonly socket: Socket
  /**
   * The next unread payload of `event` (its first argument), received already or later. Besides the
   * gateway's events there are `connect` and `disconnect`, with the reason.
   */
  next<T = unknown>(event: string, timeoutMs?: number): Promise<T>
  /** Every payload of `event` so far, in order; reading it takes nothing from `next`. */
  received<T = unknown>(event: string): readonly T[]
  /** The room's `room:message`s in the order of arrival; replies of joins are not among them. */
  messages(room: string): readonly RoomMessage[]
  /** Sends a request; resolves with its reply, whatever it says. */
  request<Name extends string>(
    event: Name,
    payload: unknown,
    timeoutMs?: number,
  ): Promise<Reply<Name>>
  /** Sends a request that has to be accepted; throws the error's code and message otherwise. */
  ask<Name extends string>(
    event: Name,
    payload: unknown,
    timeoutMs?: number,
  ): Promise<Accepted<Name>>
  close(): void
}

/** Connects; resolves once connected to the namespace. */
export async function connectClient(
  scope: Scope,
  url: string,
  options: ClientOptions = {},
): Promise<Client> {
  const { session, name, token, auth, connectTimeoutMs = 10_000, ...rest } = options
  const socket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    ...rest,
    auth: {
      ...auth,
      ...(session === undefined ? {} : { session }),
      ...(name === undefined ? {} : { name }),
      ...(token === undefined ? {} : { token }),
    },
    autoConnect: false,
  })
  scope.defer(() => socket.disconnect())
  const inbox = createInbox()
  socket.onAny((event: string, payload: unknown) => inbox.put(event, payload))
  socket.on('connect', () => inbox.put('connect', undefined))
  socket.on('disconnect', (reason) => inbox.put('disconnect', reason))
  let lastError: unknown
  const refused = new Promise<never>((_resolve, reject) => {
    socket.on('connect_error', (error) => {
      lastError = error
      // Not active: it will not try again by itself.
      if (!socket.active || rest.reconnection === false) reject(error)
    })
  })
  socket.connect()
  await Promise.race([inbox.next('connect', connectTimeoutMs), refused]).catch((error: unknown) => {
    socket.disconnect()
    throw new Error(`could not connect to ${url}`, { cause: lastError ?? error })
  })

  async function request<Name extends string>(event: Name, payload: unknown, timeoutMs = 10_000) {
    return (await socket.timeout(timeoutMs).emitWithAck(event, payload)) as Reply<Name>
  }
  return {
    socket,
    next: inbox.next,
    received: inbox.received,
    messages: (room) =>
      inbox.received<RoomMessage>('room:message').filter((message) => message.room === room),
    request,
    async ask(event, payload, timeoutMs) {
      const reply = await request(event, payload, timeoutMs)
      if (!reply.ok) throw new Error(`${event}: ${reply.error.code}: ${reply.error.message}`)
      return reply as Accepted<typeof event>
    },
    close: () => void socket.disconnect(),
  }
}

function createInbox() {
  const all = new Map<string, unknown[]>()
  const read = new Map<string, number>()
  const waiting = new Map<string, (() => void)[]>()
  const of = (event: string): unknown[] => {
    const payloads = all.get(event) ?? []
    all.set(event, payloads)
    return payloads
  }

  function take(event: string): unknown {
    const index = read.get(event) ?? 0
    read.set(event, index + 1)
    return of(event)[index]
  }

  return {
    put(event: string, payload: unknown) {
      of(event).push(payload)
      waiting.get(event)?.shift()?.()
    },
    received: <T>(event: string) => of(event) as readonly T[],
    next<T>(event: string, timeoutMs = 10_000): Promise<T> {
      const queue = waiting.get(event) ?? []
      waiting.set(event, queue)
      if (queue.length === 0 && of(event).length > (read.get(event) ?? 0)) {
        return Promise.resolve(take(event) as T)
      }
      return new Promise((resolve, reject) => {
        const arrived = () => {
          clearTimeout(limit)
          resolve(take(event) as T)
        }
        const limit = setTimeout(() => {
          queue.splice(queue.indexOf(arrived), 1)
          reject(new Error(`no ${event} within ${timeoutMs} ms`))
        }, timeoutMs)
        queue.push(arrived)
      })
    },
  }
}
