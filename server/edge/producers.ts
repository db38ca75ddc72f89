import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'

interface Target {
  namespace: string
  /** Socket.IO rooms, or ids of connections; empty: everybody in the namespace. */
  rooms: readonly string[]
  except: readonly string[]
}

/** What a backend without a connection asks of connections. */
export type ProducerCommand = Target &
  (
    | {
        kind: 'emit'
        event: string
        args: readonly unknown[]
        volatile: boolean
        compress: boolean
      }
    | { kind: 'join' | 'leave'; names: readonly string[] }
    /** `close`: the whole connection, not just the namespace. */
    | { kind: 'disconnect'; close: boolean }
    /** For the handlers of embedders: `io.on(event)`. */
    | { kind: 'notify'; event: string; args: readonly unknown[] }
  )

/** Why a producer's message is not obeyed. */
export type Refusal = 'too_large' | 'pickle' | 'malformed' | 'unsupported' | 'event' | 'namespace'

/**
 * Where such commands come from. Every instance hears every command once and obeys it for its own
 * connections. Nothing is stored: what is lost on the way is lost.
 */
export interface Producers {
  listen(listener: (producer: string, command: ProducerCommand) => void): void
}

/** Ours to send (D2, D3), and Socket.IO's own, which it throws at. */
const RESERVED =
  /^((room|gateway|auth):.*|connect|connect_error|disconnect|disconnecting|newListener|removeListener)$/

/** Does on this instance what a producer asks of all; says why not, where it does not. */
export function obey(io: Server, command: ProducerCommand): Refusal | undefined {
  // `io.of` makes what is not there: namespaces belong to whoever wrote the handlers.
  if (!io._nsps.has(command.namespace)) return 'namespace'
  const namespace = io.of(command.namespace)
  const sockets = namespace.local.in([...command.rooms]).except([...command.except])
  switch (command.kind) {
    case 'emit': {
      if (RESERVED.test(command.event)) return 'event'
      const operator = sockets.compress(command.compress)
      ;(command.volatile ? operator.volatile : operator).emit(command.event, ...command.args)
      return undefined
    }
    case 'join':
      sockets.socketsJoin([...command.names])
      return undefined
    case 'leave':
      sockets.socketsLeave([...command.names])
      return undefined
    case 'disconnect':
      sockets.disconnectSockets(command.close)
      return undefined
    case 'notify':
      if (RESERVED.test(command.event)) return 'event'
      EventEmitter.prototype.emit.call(namespace, command.event, ...command.args)
      return undefined
  }
}
