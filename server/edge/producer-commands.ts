import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'
import type { ProducerCommand, Refusal } from './producers.ts'

/** Ours to send (D2, D3), and Socket.IO's own, which it throws at. */
const RESERVED =
  /^((room|gateway|auth):.*|connect|connection|connect_error|disconnect|disconnecting|error|new_namespace|newListener|removeListener)$/

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
