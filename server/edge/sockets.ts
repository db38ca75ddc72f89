import type { Server, Socket } from 'socket.io'
import { GatewayError } from '../errors.ts'
import { inTurn } from '../in-turn.ts'
import type { Events } from '../observability/events.ts'
import type { ByeEvent, StatusEvent } from '../protocol.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Identity } from '../session/identity.ts'
import { type Sessions, whoReturns } from '../session/sessions.ts'
import { everyTick, TICK_MS } from '../ticks.ts'
import type { Acknowledgements } from './acknowledgements.ts'
import type { Connection } from './connection.ts'
import { createDispatch } from './dispatch.ts'
import { closedByPeer, cutOff, stopReading, terminateLater, waitingBytes } from './engine.ts'
import { admitting, type Entrance } from './entrance.ts'
import type { Handlers } from './handlers.ts'
import type { Account } from './intake.ts'
import { compactListeners } from './lean-listeners.ts'
import { lineOf } from './line.ts'
import type { SocketMember } from './outlet.ts'

export interface SocketsDeps {
  io: Server
  handlers: Handlers
  rooms: Rooms
  sessions: Sessions
  events: Events
  acknowledgements: Pick<Acknowledgements, 'send'>
  entrance: Entrance
  account(socket: Socket, identity: Identity): Account | undefined
  /** A connection is among those of this instance, or no longer. */
  began(connection: Connection): void
  ended(connection: Connection): void
  /** Bytes of replies that may wait for a connection that asks without reading (D8). */
  maxBacklogBytes: number
  /** What a new connection is told at once; undefined while all is well. */
  status: () => StatusEvent | undefined
}

/** The connections of an instance. */
export interface Sockets {
  all(): readonly Connection[]
  /** By the id of its socket; undefined once it has ended. */
  get(id: string): Connection | undefined
  readonly count: number
  /** Tells every connection. */
  announce(status: StatusEvent): void
  /**
   * Says good-bye and ends the connection: `reconnect` closes the transport, so that plain clients
   * come back by themselves; otherwise it is a server disconnect, after which they stay away.
   */
  sendAway(connection: Connection, bye: ByeEvent): void
  /** Sends away whom nothing more is done for, from this moment on. */
  expel(connection: Connection, bye: ByeEvent): void
  /** For a member that does not read: what waits for it is dropped, it resumes from the log (D8). */
  cutOff(member: SocketMember): void
  /** Ends what runs by the clock; connections stay. */
  stop(): void
}

/** More attempts than a client makes within the hour that it may be away. */
const MAX_ATTEMPTS = 100_000
/** A client that was too slow is not helped by coming back at once. */
const SLOW_RETRY_MS = 1000
/** Joins and histories of one connection that are worked on at once; the others wait in order. */
const CONCURRENT_READS = 8
/** A peer for which something has waited for this long, and never less of it, does not read. */
const STALLED_MS = 30_000
const STALL_CHECKS = 6
/** Ticks over which a round of checks is spread: all at once would be felt. */
const SLICES = STALLED_MS / STALL_CHECKS / TICK_MS

export function createSockets(deps: SocketsDeps): Sockets {
  const { io, rooms, sessions, events } = deps
  const connections = new Map<string, Connection>()

  /** Those who have not been looked at in this round; a look goes through all that waits for one. */
  let unchecked: Connection[] = []
  // Who asks no more and is sent no more is found here: pongs alone can be forged without reading.
  const stop = everyTick(() => {
    if (unchecked.length === 0) unchecked = [...connections.values()]
    const share = Math.ceil(connections.size / SLICES)
    for (const connection of unchecked.splice(-share)) {
      if (!connections.has(connection.socket.id)) continue
      const bytes = waitingBytes(connection.socket.conn)
      const stalls = bytes > 0 && bytes >= connection.waiting
      connection.stalls = stalls ? connection.stalls + 1 : 0
      connection.waiting = bytes
      if (connection.stalls > STALL_CHECKS) self.cutOff(connection.member)
    }
  })

  io.use(admitting(deps.entrance, events))

  const requests = createDispatch({
    handlers: deps.handlers,
    events,
    connectionOf: ({ id }) => connections.get(id),
    acknowledge({ member: { line } }, acknowledge, reply) {
      if (line === undefined) acknowledge(reply)
      else deps.acknowledgements.send(line, acknowledge, reply)
    },
    checkBacklog: ({ member }) => {
      if (waitingBytes(member.socket.conn) > deps.maxBacklogBytes) self.cutOff(member)
    },
  })

  // Each listener is called by its own socket.
  const listeners = Object.entries({ ...requests, disconnect: ended, error: failed })

  function read<T>(this: Connection, work: () => Promise<T>): Promise<T> {
    return inTurn(this, CONCURRENT_READS, () => {
      if (waitingBytes(this.socket.conn) <= deps.maxBacklogBytes) return work()
      self.cutOff(this.member)
      throw new GatewayError('OVERLOADED', 'replies are not being read')
    })
  }

  io.on('connection', (socket) => {
    const { conn } = socket
    const identity: Identity = socket.data.identity
    const connection: Connection = {
      socket,
      identity,
      member: {
        id: socket.id,
        socket,
        user: identity.user,
        line: lineOf(conn),
        backlog: 0,
        behindSince: 0,
      },
      ids: { connection: socket.id, user: identity.user.id },
      account: deps.account(socket, identity),
      transport: conn.transport.name,
      joining: undefined,
      pending: 0,
      pendingBytes: 0,
      answers: 0,
      running: 0,
      queue: undefined,
      read,
      waiting: 0,
      stalls: 0,
      leaving: false,
      endedBy: undefined,
    }
    connections.set(socket.id, connection)
    begin(connection)
    for (const [event, listener] of listeners) socket.on(event, listener)
    compactListeners(socket)
    const status = deps.status()
    if (status !== undefined) socket.emit('gateway:status', status)
    deps.began(connection)
  })

  /** Tells metrics and sessions of a connection; `ended` tells of its end. */
  function begin(connection: Connection): void {
    const { socket, identity, member, ids, transport } = connection
    const { conn } = socket
    events.connected(ids, transport)
    if (transport !== 'websocket') {
      conn.once('upgrade', () => {
        member.line = lineOf(conn)
        events.upgraded(connection.transport, conn.transport.name)
        connection.transport = conn.transport.name
      })
    }
    const visitor = whoReturns(identity)
    if (visitor === undefined) return
    void sessions.opened(visitor, socket.id).then((reconnection) => {
      if (reconnection === undefined) return
      const attempts = attemptsOf(socket.handshake.auth)
      events.reconnected(ids, { ...reconnection, attempts }, connection)
    })
  }

  function ended(this: Socket, reason: string): void {
    const connection = connections.get(this.id)
    if (connection === undefined) return
    const { identity, member, ids, transport } = connection
    const closed = reason === 'transport error' && closedByPeer(this.conn)
    const cause = connection.endedBy ?? (closed ? 'transport close' : reason)
    connections.delete(this.id)
    deps.ended(connection)
    rooms.leaveAll(member)
    const visitor = whoReturns(identity)
    if (visitor !== undefined) sessions.closed(visitor, this.id, cause)
    events.disconnected(ids, transport, cause)
    if (reason === 'parse error') events.packetRefused(ids, reason)
  }

  function failed(this: Socket, error: unknown): void {
    const connection = connections.get(this.id)
    // Also what a client names `error`, with anything in it: no Error comes over the wire.
    if (!(error instanceof Error)) events.ignored('error')
    else if (connection !== undefined) events.packetRefused(connection.ids, 'invalid packet')
  }

  const self: Sockets = {
    stop,
    all: () => [...connections.values()],
    get: (id) => connections.get(id),
    get count() {
      return connections.size
    },
    announce(status) {
      for (const { socket } of connections.values()) socket.emit('gateway:status', status)
    },
    sendAway(connection, bye) {
      connection.endedBy ??= bye.code.toLowerCase()
      connection.socket.emit('gateway:bye', bye)
      if (bye.reconnect) connection.socket.conn.close()
      else connection.socket.disconnect(true)
    },
    expel(connection, bye) {
      if (connection.endedBy !== undefined) return
      connection.leaving = true
      rooms.leaveAll(connection.member)
      self.sendAway(connection, bye)
      stopReading(connection.socket.conn)
      terminateLater(connection.socket.conn)
    },
    cutOff({ id, socket }) {
      const connection = connections.get(id)
      if (connection === undefined || connection.endedBy !== undefined) return
      connection.endedBy = 'slow_client'
      connection.leaving = true
      rooms.leaveAll(connection.member)
      cutOff(socket.conn, () => {
        const retryAfterMs = Math.round(SLOW_RETRY_MS * (1 + 4 * Math.random()))
        const bye = { code: 'SLOW_CLIENT', reconnect: true, retryAfterMs }
        socket.emit('gateway:bye', bye satisfies ByeEvent)
      })
    },
  }
  return self
}

/** What a client says of its attempts to come back; for a metric, so that nonsense is no error. */
function attemptsOf({ attempts }: Record<string, unknown>): number | undefined {
  const plausible = Number.isInteger(attempts) && Number(attempts) > 0
  return plausible ? Math.min(Number(attempts), MAX_ATTEMPTS) : undefined
}
