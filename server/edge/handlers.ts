import { GatewayError } from '../errors.ts'
import type { Events } from '../observability/events.ts'
import { type Tracing, withTrace } from '../observability/tracing.ts'
import {
  type Durability,
  type GatewayState,
  type HelloReply,
  type HistoryReply,
  type JoinReply,
  type Limits,
  type MembersReply,
  PROTOCOL_VERSION,
  type Request,
  type SendReply,
} from '../protocol.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Roster } from '../rooms/roster.ts'
import { endOf } from '../session/identity.ts'
import type { Connection } from './connection.ts'
import type { createPreparation } from './embedding.ts'
import type { Gate } from './gate.ts'
import { createRefresh, type RefreshDeps } from './refresh.ts'
import { bodyText } from './requests.ts'
import { wireMessages, wirePosition } from './wire.ts'

/** Bodies that may wait for the store at once, of one connection and of an instance. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024
const MAX_PENDING_BYTES_TOTAL = 256 * 1024 * 1024

/** What all connections of an instance share. */
export interface HandlerDeps {
  rooms: Rooms
  roster: Roster
  events: Events
  instance: string
  limits: Limits
  state: () => GatewayState
  durability: () => Durability
  gate: Gate
  refresh: Pick<RefreshDeps, 'renew' | 'policy' | 'refreshed'>
  /** Undefined: off, which costs nothing. */
  tracing: Tracing | undefined
  /** Gives the text of the body that is to be stored; undefined: the one that was sent. */
  prepare: ReturnType<typeof createPreparation> | undefined
  now?: () => number
}

/** One function per verb. Each resolves to the reply without `ok`, or throws a GatewayError. */
export type Handlers = ReturnType<typeof createHandlers>

export function createHandlers(deps: HandlerDeps) {
  const { rooms, roster, events, limits, gate, tracing, prepare } = deps
  let pendingBytes = 0

  function joinNow(
    { socket, member, ids }: Connection,
    request: Request<'room:join'>,
    reply: (reply: JoinReply) => void,
  ): Promise<void> {
    const { room, since, limit, presence } = request
    return rooms.join(
      member,
      { room, since, limit },
      ({ position, recovered, entries }) => {
        const messages = wireMessages(room, position.epoch, entries)
        reply({ room, position: wirePosition(position), recovered, messages })
        void socket.join(socketRoom(room))
        const resume = since === undefined ? 'none' : recovered ? 'recovered' : 'reset'
        events.joined(ids, room, resume, messages.length)
        if (presence) roster.watch(member, room)
      },
      () => socket.connected,
    )
  }

  async function joinIfAllowed(
    connection: Connection,
    request: Request<'room:join'>,
    reply: (reply: JoinReply) => void,
  ): Promise<void> {
    const { room, since } = request
    const reads = await gate.enter(connection, room)
    // Who may not ask for members is not told of them either.
    const presence = request.presence && (await gate.allows(connection, 'members', room))
    if (reads) return joinNow(connection, { ...request, presence }, reply)
    // Who may join but not read history begins with what comes next.
    return joinNow(connection, { room, presence, limit: 0 }, (answer) =>
      reply({ ...answer, recovered: since === undefined, messages: [] }),
    )
  }

  const joinRoom = gate.idle ? joinNow : joinIfAllowed

  function leaveNow({ socket, member }: Connection, room: string): void {
    rooms.leave(member, room)
    void socket.leave(socketRoom(room))
  }

  /** Bounds the bodies that wait for the store, of one connection and of all (D8). */
  function reserve(connection: Connection, bytes: number): void {
    const own = connection.pendingBytes + bytes
    if (own > MAX_PENDING_BYTES || pendingBytes + bytes > MAX_PENDING_BYTES_TOTAL) {
      throw new GatewayError('OVERLOADED', 'too many messages are waiting to be stored', {
        retryAfterMs: 500,
      })
    }
    connection.pendingBytes += bytes
    pendingBytes += bytes
  }

  function release(connection: Connection, bytes: number): void {
    connection.pendingBytes -= bytes
    pendingBytes -= bytes
  }

  return {
    async hello({ identity }: Connection): Promise<HelloReply> {
      const expiresAt = endOf(identity)
      return {
        protocol: PROTOCOL_VERSION,
        instance: deps.instance,
        user: identity.user,
        limits,
        state: deps.state(),
        durability: deps.durability(),
        ...(expiresAt !== undefined && { expiresAt }),
      }
    },

    /** Replies by itself, in the step that admits the member (D5). */
    async join(
      connection: Connection,
      request: Request<'room:join'>,
      reply: (reply: JoinReply) => void,
    ): Promise<undefined> {
      const { member } = connection
      const { room } = request
      connection.joining ??= new Map()
      const { joining } = connection
      const known = rooms.has(member, room) || joining.has(room)
      // As many as there are under way, or fewer: most often that is below the limit.
      if (!known && rooms.countOf(member) + joining.size >= limits.maxRooms) {
        const coming = [...joining.keys()].filter((name) => !rooms.has(member, name)).length
        if (rooms.countOf(member) + coming >= limits.maxRooms) {
          throw new GatewayError(
            'LIMIT_REACHED',
            `room: a connection may be in ${limits.maxRooms} rooms`,
          )
        }
      }
      const begin = () => connection.read(() => joinRoom(connection, request, reply))
      const join = joining.get(room)?.then(begin, begin) ?? begin() // the earlier's caller hears of it
      joining.set(room, join)
      try {
        await join
      } finally {
        if (joining.get(room) === join) joining.delete(room)
        if (joining.size === 0 && connection.joining === joining) connection.joining = undefined
      }
    },

    async leave(connection: Connection, { room }: Request<'room:leave'>) {
      await connection.joining?.get(room)?.catch(() => undefined)
      leaveNow(connection, room)
      return {}
    },

    refresh: createRefresh({
      ...{ ...deps.refresh, gate, rooms, leave: leaveNow },
      unwatch: ({ member }, room) => roster.unwatch(member, room),
    }),

    async send(connection: Connection, request: Request<'room:send'>): Promise<SendReply> {
      const { identity } = connection
      const { room, id } = request
      let body = bodyText(request.body, limits.maxBodyBytes)
      const { length } = body
      const started = performance.now()
      // From here on it waits: for whoever decides, for the application, for the store (D8).
      reserve(connection, length)
      try {
        const asked = gate.pass(connection, 'send', room)
        if (asked !== undefined) await asked
        if (prepare !== undefined) body = await prepare(connection, request)
        const from = JSON.stringify(identity.user)
        const content = `{"id":${JSON.stringify(id)},"from":${from},"body":${body}}`
        const message = { room, sender: identity.sender, id, content }
        const { position, duplicate, repeat } =
          tracing === undefined
            ? await rooms.send(message)
            : await tracing.sending(room, (context) =>
                rooms.send({ ...message, content: withTrace(content, context) }),
              )
        events.sent(repeat, performance.now() - started)
        return { id, position: wirePosition(position), duplicate, at: position.at }
      } finally {
        release(connection, length)
      }
    },

    async history(
      connection: Connection,
      { room, before, limit }: Request<'room:history'>,
    ): Promise<HistoryReply> {
      const asked = gate.pass(connection, 'history', room)
      if (asked !== undefined) await asked
      const read = () => rooms.history(room, before, limit, connection.member)
      const { tail, entries } = await connection.read(read)
      return { messages: wireMessages(room, tail.epoch, entries) }
    },

    async members(
      connection: Connection,
      { room, limit }: Request<'room:members'>,
    ): Promise<MembersReply> {
      const asked = gate.pass(connection, 'members', room)
      if (asked !== undefined) await asked
      return roster.members(room, limit)
    },

    /** May be lost, so that it goes through the adapter; only members who may send are heard. */
    async typing(connection: Connection, { room, typing }: Request<'room:typing'>): Promise<void> {
      const { socket, member, identity } = connection
      if (!rooms.has(member, room)) return
      const asked = gate.pass(connection, 'send', room)
      if (asked !== undefined) await asked
      const event = { room, from: identity.user, typing }
      socket.to(socketRoom(room)).volatile.emit('room:typing', event)
    },
  }
}

/**
 * The Socket.IO room of a room, for what embedders and emitters send to it. Every connection is alone
 * in the room of its own id: a room of that form gets another name, or members would hear what is
 * meant for one connection.
 */
export function socketRoom(room: string): string {
  return /^(room:)*[\w-]{20}$/.test(room) ? `room:${room}` : room
}
