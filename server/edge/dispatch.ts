import type { Socket } from 'socket.io'
import { GatewayError, toWireError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import { MAX_PENDING, type RequestName } from '../protocol.ts'
import type { Connection } from './connection.ts'
import type { Handlers } from './handlers.ts'
import { parseRequest } from './requests.ts'

export interface DispatchDeps {
  handlers: Handlers
  events: Events
  /** The connection of a socket, until it ends. */
  connectionOf(socket: Socket): Connection | undefined
  /** Sends what `acknowledge(reply)` would. */
  acknowledge(connection: Connection, acknowledge: Reply, reply: object): void
  /** Ends a connection for which too much waits (D8). */
  checkBacklog(connection: Connection): void
}

/** Answers between two looks at what waits for a connection: a look goes through all of it. */
const ANSWERS_PER_CHECK = 64

type Reply = (reply: object) => void

/** Called by the socket it listens to: one function serves all of them. */
type SocketListener = (this: Socket, ...args: unknown[]) => void

/**
 * Answers requests: one object and an acknowledgement in, one reply out, whatever happens.
 *
 * @returns what listens to each socket, by event
 */
export function createDispatch(deps: DispatchDeps): Record<string, SocketListener> {
  const { handlers, events } = deps

  function answering<Name extends RequestName>(
    name: Name,
    run: (
      connection: Connection,
      request: ReturnType<typeof parseRequest<Name>>,
      reply: Reply,
    ) => Promise<object | undefined>,
  ): SocketListener {
    async function handle(
      connection: Connection,
      payload: unknown,
      acknowledge: Reply,
    ): Promise<void> {
      const reply = (result: object) =>
        deps.acknowledge(connection, acknowledge, { ok: true, ...result })
      try {
        const request = parseRequest(name, payload)
        if (connection.leaving) {
          throw new GatewayError('DRAINING', 'this instance is stopping; connect again')
        }
        if (connection.pending > MAX_PENDING) {
          throw new GatewayError('OVERLOADED', `more than ${MAX_PENDING} requests are waiting`, {
            retryAfterMs: 1000,
          })
        }
        const result = await run(connection, request, reply)
        if (result !== undefined) reply(result)
      } catch (error) {
        const wire = toWireError(error)
        const cause = error instanceof GatewayError ? error.cause : error
        events.refused(connection.ids, name, wire.code, cause)
        deps.acknowledge(connection, acknowledge, { ok: false, error: wire })
      } finally {
        connection.pending -= 1
        connection.answers += 1
        // Not at once: at the end of the turn, what a peer that reads takes has been written.
        if (connection.answers % ANSWERS_PER_CHECK === 0) {
          setImmediate(() => deps.checkBacklog(connection))
        }
      }
    }

    return function answer(...args) {
      const acknowledge = args.at(-1) as Reply | undefined
      if (typeof acknowledge !== 'function') {
        events.ignored(name)
        return
      }
      const connection = deps.connectionOf(this)
      if (connection === undefined) return // ended: nobody hears the answer
      connection.pending += 1
      void handle(connection, args.length > 1 ? args[0] : undefined, acknowledge)
    }
  }

  return {
    'gateway:hello': answering('gateway:hello', handlers.hello),
    'room:join': answering('room:join', handlers.join),
    'room:leave': answering('room:leave', handlers.leave),
    'room:send': answering('room:send', handlers.send),
    'room:history': answering('room:history', handlers.history),
    'auth:refresh': answering('auth:refresh', handlers.refresh),
    'room:members': answering('room:members', handlers.members),
    'room:typing'(payload) {
      const connection = deps.connectionOf(this)
      if (connection === undefined) return
      const refused = (error: unknown) =>
        events.refused(connection.ids, 'room:typing', toWireError(error).code, undefined)
      try {
        handlers.typing(connection, parseRequest('room:typing', payload)).catch(refused)
      } catch (error) {
        refused(error)
      }
    },
  } satisfies Record<RequestName, SocketListener>
}
