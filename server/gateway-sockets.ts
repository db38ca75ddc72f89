import type { Server as HttpServer } from 'node:http'
import type { Server } from 'socket.io'
import type { Broker } from './broker/broker.ts'
import type { Config } from './config.ts'
import { createAcknowledgements } from './edge/acknowledgements.ts'
import type { Admission } from './edge/admission.ts'
import { createPreparation, type Embedding, embed } from './edge/embedding.ts'
import type { Gathering } from './edge/gathering.ts'
import { createHandlers } from './edge/handlers.ts'
import type { Overload } from './edge/overload.ts'
import { obey } from './edge/producer-commands.ts'
import type { Refusal } from './edge/producers.ts'
import { createSocketServer } from './edge/socket-server.ts'
import { createSockets, type Sockets } from './edge/sockets.ts'
import { createStatus, type Status } from './edge/status.ts'
import type { Access } from './gateway-access.ts'
import type { Observability } from './gateway-observability.ts'
import type { Operations } from './observability/operations.ts'
import { MAX_HISTORY, MAX_ID_LENGTH, MAX_ROOM_BYTES } from './protocol.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { Roster } from './rooms/roster.ts'
import { createSessions } from './session/sessions.ts'

export interface GatewaySocketsDeps {
  server: HttpServer
  broker: Broker
  rooms: Rooms
  roster: Roster
  access: Access
  observability: Observability
  operations: Operations
  overload: Overload
  gathering: Gathering
  embedding: Embedding
  draining: () => boolean
}

/** Connections and what they ask for: ours first, then what an application adds. */
export function createGatewaySockets(
  config: Config,
  deps: GatewaySocketsDeps,
): { io: Server; admission: Admission; sockets: Sockets; status: Status } {
  const { broker, rooms, roster, access, operations, overload, embedding } = deps
  const { events, overloadEvents, producerEvents, tracing, feed } = deps.observability

  const acknowledgements = createAcknowledgements(deps.gathering)
  const { io, admission } = createSocketServer(deps.server, {
    ...config,
    adapter: broker.adapter,
    parser: acknowledgements.parser,
    draining: deps.draining,
    overload: () => overload.level,
    connectRefused: overloadEvents.connectRefused,
    handshakeRefused: events.handshakeRefused,
    screening: access.screening,
    watch: access.watch,
  })
  const status = createStatus({
    trouble: broker.trouble,
    announce: (event) => sockets.announce(event),
  })
  broker.onTrouble(status.update)
  const handlers = createHandlers({
    ...{ rooms, roster, events, tracing },
    prepare: embedding.beforeSend && createPreparation(embedding.beforeSend, config.maxBodyBytes),
    instance: config.instanceId,
    limits: {
      maxBodyBytes: config.maxBodyBytes,
      maxRoomBytes: MAX_ROOM_BYTES,
      maxRooms: config.maxRooms,
      maxIdLength: MAX_ID_LENGTH,
      maxHistory: MAX_HISTORY,
      resumeMax: config.resumeMax,
      dedupWindowMs: config.dedupWindowMs,
    },
    state: () => (broker.trouble() === undefined ? 'ok' : 'degraded'),
    durability: broker.durability,
    gate: access.gate,
    refresh: access.refresh,
  })
  const sockets = createSockets({
    ...{ io, rooms, events, acknowledgements },
    sessions: createSessions({
      store: broker.sessions,
      home: { instance: config.instanceId, boot: feed.boot },
      fate: operations.fate,
      pingMs: config.pingIntervalMs + config.pingTimeoutMs,
    }),
    status: status.current,
    maxBacklogBytes: config.maxClientBacklogBytes,
    ...access.sockets,
    handlers: {
      ...handlers,
      typing(connection, request) {
        return overload.shedsVolatile() ? Promise.resolve() : handlers.typing(connection, request)
      },
    },
  })
  embed(io, embedding, { identify: access.identifyGuest, guests: access.guests, events })
  broker.producers?.listen((producer, command) => {
    let reason: Refusal | undefined
    try {
      reason = obey(io, command)
    } catch (error) {
      reason = 'failed'
      producerEvents.failed(producer, error)
    }
    if (reason === undefined) producerEvents.obeyed(producer, command.kind)
    else producerEvents.refused(producer, reason)
  })
  return { io, admission, sockets, status }
}
