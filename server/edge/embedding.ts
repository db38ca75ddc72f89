import type { Server, Socket } from 'socket.io'
import { GatewayError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import type { Sender } from '../protocol.ts'
import type { Identity } from '../session/identity.ts'
import type { Connection } from './connection.ts'
import { admitting, type Entrance } from './entrance.ts'
import type { Guests } from './guests.ts'
import { bodyText } from './requests.ts'

/** A message on its way to the log. */
export interface Outgoing {
  readonly room: string
  /** The client's id of it: the same for each attempt (D2). */
  readonly id: string
  readonly user: Sender
  readonly body: unknown
}

/**
 * Called with each message before it is stored, those of a connection one after the other; its other
 * requests do not wait. Returns another body (JSON) in `{ body }`, or nothing. What it throws is the client's
 * answer: a GatewayError as it is, anything else as INTERNAL. A client that hears no answer sends again,
 * and it is called again: the first body that was stored counts.
 */
export type BeforeSend = (
  message: Outgoing,
  identity: Identity,
) => { body: unknown } | undefined | Promise<{ body: unknown } | undefined>

/** Called with each connection that has been let in; Roomwire's own events are answered already. */
export type OnConnection = (socket: Socket, identity: Identity) => void

/** An application's own part in a gateway. */
export interface Embedding {
  beforeSend?: BeforeSend
  onConnection?: OnConnection
  /**
   * Further namespaces by name, `/admin`: who connects to one has been identified as in `/`. Rooms live
   * in `/` only; of limits, a connection's bytes and packets count in all. It ends with its token or its
   * user's right.
   */
  namespaces?: Readonly<Record<string, OnConnection>>
}

/** Adds the application's handlers, after ours. */
export function embed(
  io: Server,
  { onConnection, namespaces = {} }: Embedding,
  deps: { identify: Entrance; guests: Guests; events: Events },
): void {
  if (onConnection !== undefined) {
    io.on('connection', (socket) => onConnection(socket, socket.data.identity))
  }
  for (const [name, entered] of Object.entries(namespaces)) {
    const namespace = io.of(name)
    namespace.use(admitting(deps.identify, deps.events))
    namespace.on('connection', (socket) => {
      const { identity }: { identity: Identity } = socket.data
      deps.guests.admit(socket, identity)
      entered(socket, identity)
    })
  }
}

/** @returns what gives the text of the body that is to be stored, of `maxBytes` at most */
export function createPreparation(
  beforeSend: BeforeSend,
  maxBytes: number,
): (connection: Connection, message: Omit<Outgoing, 'user'>) => Promise<string> {
  /** The last call of each connection: who answers late must not be overtaken (D3). */
  const calls = new WeakMap<Connection, Promise<string>>()

  return (connection, message) => {
    const { identity } = connection
    const call = async () => {
      const changed = await beforeSend({ ...message, user: identity.user }, identity)
      return textOf(changed === undefined ? message.body : changed.body, maxBytes)
    }
    const former = calls.get(connection)
    const result = former === undefined ? call() : former.then(call, call)
    calls.set(connection, result)
    return result
  }
}

/** What the application made of a body: that it is no JSON is no fault of the client's. */
function textOf(body: unknown, maxBytes: number): string {
  try {
    return bodyText(body, maxBytes)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'BAD_REQUEST') throw error
    throw new TypeError(`beforeSend must return nothing or { body }: ${error.message}`)
  }
}
