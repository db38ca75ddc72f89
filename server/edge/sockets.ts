import type { Server, Socket } from 'socket.io'
import { GatewayError, toWireError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import { type ByeEvent, MAX_PENDING, type RequestName, type StatusEvent } from '../protocol.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { type Identity, identify } from '../session/identity.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Connection, Handlers } from './handlers.ts'
import { takesFrames } from './outlet.ts'
import { parseRequest } from './requests.ts'

export interface SocketsDeps {
  io: Server
  handlers: Handlers
  rooms: Rooms
  sessions: Sessions
  events: Events
  /** What a new connection is told at once; undefined while all is well. */
  status: () => StatusEvent | undefined
}

/** The connections of an instance and the requests they wait for. */
export interface Sockets {
  /** Open connections. */
  readonly count: number
  /** Requests not answered yet. */
  readonly pending: number
  /** Tells every connection. */
  announce(status: StatusEvent): void
  /** From now on every request is refused with DRAINING. */
  refuse(): void
  /** Says good-bye and closes the transport, so that plain clients come back by themselves. */
  sendAway(bye: ByeEvent): void
}

type Reply = (reply: object) => void

/** Our name for a disconnect, where we know better than the library. */
const endedBy = new WeakMap<Socket, string>()

export function createSockets(deps: SocketsDeps): Sockets {
  const { io, handlers, rooms, sessions, events } = deps
  let pendingTotal = 0
  let refusing = false

  io.use((socket, next) => {
    try {
      socket.data.identity = identify(socket.handshake.auth, socket.id)
      next()
    } catch (error) {
      const wire = toWireError(error)
      next(Object.assign(new Error(wire.message), { data: wire }))
    }
  })

  io.on('connection', (socket) => {
    const identity: Identity = socket.data.identity
    const connection: Connection = {
      socket,
      identity,
      member: { id: socket.id, socket, takesFrames: takesFrames(socket.conn) },
      ids: { connection: socket.id, user: identity.user.id },
      joining: new Map(),
    }
    watch(connection)
    answer(connection)
    const status = deps.status()
    if (status !== undefined) socket.emit('gateway:status', status)
  })

  /** Follows a connection from its beginning to its end, for rooms, sessions and metrics. */
  function watch({ socket, identity, member, ids }: Connection): void {
    const { conn } = socket
    let transport = conn.transport.name
    events.connected(ids, transport)
    conn.once('upgrade', () => {
      member.takesFrames = takesFrames(conn)
      events.upgraded(transport, conn.transport.name)
      transport = conn.transport.name
    })
    const { session } = identity
    if (session !== undefined) {
      void sessions.opened(session, socket.id).then((reconnection) => {
        if (reconnection !== undefined) events.reconnected(ids, reconnection)
      })
    }
    socket.on('disconnect', (reason) => {
      const cause = endedBy.get(socket) ?? reason
      rooms.leaveAll(member)
      if (session !== undefined) sessions.closed(session, socket.id, cause)
      events.disconnected(ids, transport, cause)
      if (reason === 'parse error') events.packetRefused(ids, reason)
    })
    socket.on('error', (error) => events.packetRefused(ids, error.message))
  }

  function answer(connection: Connection): void {
    const { socket } = connection
    let pending = 0

    /** Registers a verb: one object and an acknowledgement in, one reply out, whatever happens. */
    function on<Name extends RequestName>(
      name: Name,
      run: (
        request: ReturnType<typeof parseRequest<Name>>,
        reply: Reply,
      ) => Promise<object | undefined>,
    ): void {
      socket.on(name as string, (...args: unknown[]) => {
        const acknowledge = args.at(-1)
        if (typeof acknowledge !== 'function') return events.ignored(name)
        const reply: Reply = (result) => acknowledge({ ok: true, ...result })
        pending += 1
        pendingTotal += 1
        handle(args.length > 1 ? args[0] : undefined, reply)
          .catch((error: unknown) => {
            const wire = toWireError(error)
            const cause = error instanceof GatewayError ? error.cause : error
            events.refused(connection.ids, name, wire.code, cause)
            acknowledge({ ok: false, error: wire })
          })
          .finally(() => {
            pending -= 1
            pendingTotal -= 1
          })
      })

      async function handle(payload: unknown, reply: Reply): Promise<void> {
        const request = parseRequest(name, payload)
        if (refusing) throw new GatewayError('DRAINING', 'this instance is stopping')
        if (pending > MAX_PENDING) {
          throw new GatewayError('OVERLOADED', `more than ${MAX_PENDING} requests are waiting`, {
            retryAfterMs: 1000,
          })
        }
        const result = await run(request, reply)
        if (result !== undefined) reply(result)
      }
    }

    on('gateway:hello', () => handlers.hello(connection))
    on('room:join', async (request, reply) => {
      await handlers.join(connection, request, reply)
      return undefined
    })
    on('room:leave', (request) => handlers.leave(connection, request))
    on('room:send', (request) => handlers.send(connection, request))
    on('room:history', (request) => handlers.history(connection, request))
    socket.on('room:typing', (payload: unknown) => {
      try {
        handlers.typing(connection, parseRequest('room:typing', payload))
      } catch (error) {
        const { code } = toWireError(error)
        events.refused(connection.ids, 'room:typing', code, undefined)
      }
    })
  }

  return {
    get count() {
      return io.of('/').sockets.size
    },
    get pending() {
      return pendingTotal
    },
    announce(status) {
      for (const socket of io.of('/').sockets.values()) socket.emit('gateway:status', status)
    },
    refuse() {
      refusing = true
    },
    sendAway(bye) {
      for (const socket of io.of('/').sockets.values()) {
        endedBy.set(socket, bye.code.toLowerCase())
        socket.emit('gateway:bye', bye)
        // Stay away is a server disconnect; come back is a lost transport.
        if (bye.reconnect) socket.conn.close()
        else socket.disconnect(true)
      }
    },
  }
}
