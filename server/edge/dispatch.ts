import { GatewayError, toWireError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import { MAX_PENDING, type RequestName } from '../protocol.ts'
import type { Connection } from './connection.ts'
import type { Handlers } from './handlers.ts'
import { parseRequest } from './requests.ts'

export interface DispatchDeps {
  handlers: Handlers
  events: Events
  /** Ends a connection for which too much waits (D8). */
  checkBacklog(connection: Connection): void
}

/** Answers between two looks at what waits for a connection: a look goes through all of it. */
const ANSWERS_PER_CHECK = 64

type Reply = (reply: object) => void

/** Lets a connection ask: one object and an acknowledgement in, one reply out, whatever happens. */
export function answerRequests(connection: Connection, deps: DispatchDeps): void {
  const { handlers, events } = deps
  const { socket, ids } = connection
  let answers = 0

  function on<Name extends RequestName>(
    name: Name,
    run: (
      request: ReturnType<typeof parseRequest<Name>>,
      reply: Reply,
    ) => Promise<object | undefined>,
  ): void {
    async function handle(payload: unknown, reply: Reply): Promise<void> {
      const request = parseRequest(name, payload)
      if (connection.leaving) {
        throw new GatewayError('DRAINING', 'this instance is stopping; connect again')
      }
      if (connection.pending > MAX_PENDING) {
        throw new GatewayError('OVERLOADED', `more than ${MAX_PENDING} requests are waiting`, {
          retryAfterMs: 1000,
        })
      }
      const result = await run(request, reply)
      if (result !== undefined) reply(result)
    }

    socket.on(name as string, (...args: unknown[]) => {
      const acknowledge = args.at(-1)
      if (typeof acknowledge !== 'function') {
        events.ignored(name)
        return
      }
      connection.pending += 1
      handle(args.length > 1 ? args[0] : undefined, (result) =>
        acknowledge({ ok: true, ...result }),
      )
        .catch((error: unknown) => {
          const wire = toWireError(error)
          events.refused(ids, name, wire.code, error instanceof GatewayError ? error.cause : error)
          acknowledge({ ok: false, error: wire })
        })
        .finally(() => {
          connection.pending -= 1
          answers += 1
          // Not at once: what a peer that reads takes has been written by then.
          if (answers % ANSWERS_PER_CHECK === 0) setImmediate(() => deps.checkBacklog(connection))
        })
    })
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
      events.refused(ids, 'room:typing', toWireError(error).code, undefined)
    }
  })
}
