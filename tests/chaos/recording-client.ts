import { io, type Socket } from 'socket.io-client'
import type { Position, RoomMessage } from '../../server/protocol.ts'
import type { Entry, Fact } from './history.ts'
import type { Random } from './random.ts'

/** How long a request may stay without a reply on a live connection, in ms. */
const REPLY_MS = 15_000
/** Most sends without an acknowledgement; beyond, `send` refuses. */
const MAX_PENDING = 300

export interface RecordingClientOptions {
  id: string
  url: string
  rooms: readonly string[]
  transports: ('websocket' | 'polling')[]
  random: Random
  record(fact: Fact): void
  /** Stock servers know no positions; a recovered connection keeps its rooms. */
  dialect: 'roomwire' | 'stock'
  /** Share of the sends that go out twice at once, and of those that are sent again later. */
  twice: number
}

/**
 * A plain socket.io-client with its own session and its own memory of positions, which writes down
 * everything it does and sees, in the order of its wire. It comes back by itself, joins its rooms from
 * where it was, and repeats sends under their ids until they are acknowledged.
 */
export interface RecordingClient {
  readonly id: string
  readonly rooms: readonly string[]
  /** The instance that serves it, by its own account; only for telling why connections ended. */
  readonly instance: string | undefined
  /** Sends without an acknowledgement. */
  readonly pending: number
  /** Where it stands in a room that it is a member of. */
  position(room: string): Position | undefined
  /** Rooms that it left for a while. */
  readonly out: number
  /**
   * What it lacks: undefined when it is a member of all its rooms (those it left for a while aside) and
   * has seen everything up to these positions. Where the epoch has changed there is nothing to wait for.
   */
  lacks(tails: ReadonlyMap<string, Position>): string | undefined
  /** Sends a new message, once connected; false where too many wait already. */
  send(room: string, size?: number): boolean
  /** Leaves a room and joins it again after a while, from the position it had. */
  stepOut(room: string, awayMs: number): void
  /** Reads a page of a room's history. */
  read(room: string): void
  /** Ends the connection: `close` as a page that is left, `break` as a cable that is cut. */
  drop(how: 'close' | 'break'): void
  /** Stops reading from its WebSocket; the returned function reads on. Undefined where it has none. */
  stall(): (() => void) | undefined
  /** Records its end, with what is still open; nothing is recorded afterwards. */
  finish(): void
  close(): void
}

interface Reply {
  ok: boolean
  error?: { code: string; retryable: boolean; retryAfterMs?: number }
}

interface Slot {
  state: 'away' | 'joining' | 'joined' | 'leaving' | 'out'
  position: Position | undefined
}

interface Pending {
  room: string
  id: string
  inFlight: boolean
}

export function createRecordingClient(options: RecordingClientOptions): RecordingClient {
  const { id: client, random, dialect } = options
  const slots = new Map<string, Slot>()
  for (const room of options.rooms) slots.set(room, { state: 'away', position: undefined })
  const pending = new Map<string, Pending>()
  const timers = new Set<NodeJS.Timeout>()
  let sent = 0
  let instance: string | undefined
  let over = false

  const socket: Socket = io(options.url, {
    forceNew: true,
    transports: options.transports,
    // Polling clients keep the balancer's cookie.
    withCredentials: true,
    reconnectionDelay: 200,
    reconnectionDelayMax: 1000,
    timeout: 5000,
    auth: { session: client },
  })

  function record(fact: Fact): void {
    if (!over) options.record(fact)
  }

  function later(ms: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (!over) action()
    }, ms)
    timers.add(timer)
    return timer
  }

  /** Emits on the present connection; `onReply` gets undefined when no reply came in time. */
  function request(verb: string, payload: object, onReply: (reply?: Reply) => void): void {
    const { id: connection } = socket
    const timer = later(REPLY_MS, () => {
      if (socket.id === connection) onReply()
    })
    socket.emit(verb, payload, (reply: Reply) => {
      clearTimeout(timer)
      timers.delete(timer)
      onReply(reply)
    })
  }

  function retryMs(reply: Reply): number {
    return (reply.error?.retryAfterMs ?? 0) + random.int(50, 250)
  }

  function join(room: string, slot: Slot): void {
    if (!socket.connected || slot.state !== 'away') return
    slot.state = 'joining'
    const since = slot.position
    const about = { client, room, ...(since !== undefined && { since }) }
    record({ type: 'join', ...about })
    const { id: connection } = socket
    request('room:join', { room, since }, (reply) => {
      if (socket.id !== connection) return
      if (reply === undefined) {
        record({ type: 'refused', client, room, verb: 'join', code: 'NO_REPLY' })
        // What became of the join is unknown: only a new connection makes it clear.
        drop('close')
      } else if (reply.ok) {
        const { position, recovered, messages } = reply as unknown as {
          position: Position
          recovered: boolean
          messages: RoomMessage[]
        }
        record({ type: 'joined', ...about, position, recovered, messages: messages.map(entryOf) })
        slot.state = 'joined'
        slot.position = dialect === 'stock' ? undefined : position
      } else {
        const code = reply.error?.code ?? '?'
        record({ type: 'refused', client, room, verb: 'join', code })
        slot.state = 'away'
        later(retryMs(reply), () => join(room, slot))
      }
    })
  }

  function transmit(waiting: Pending): void {
    if (!socket.connected) return
    waiting.inFlight = true
    const { room, id } = waiting
    const about = { client, room, id }
    const { id: connection } = socket
    record({ type: 'send', ...about })
    request('room:send', { room, id, body: bodyOf(id) }, (reply) => {
      if (reply?.ok) {
        const { position, duplicate } = reply as unknown as {
          position: Position
          duplicate: boolean
        }
        record({ type: 'acked', ...about, position, duplicate })
        pending.delete(id)
        return
      }
      // A repeat of one that is acknowledged needs no further try.
      const open = pending.get(id) === waiting
      const code = reply?.error?.code ?? (reply === undefined ? 'NO_REPLY' : '?')
      const retryable = reply?.error?.retryable ?? reply === undefined
      record({ type: 'failed', ...about, code, retryable })
      if (!open || socket.id !== connection) return
      waiting.inFlight = false
      if (!retryable) pending.delete(id)
      else if (reply === undefined) transmit(waiting)
      else later(retryMs(reply), () => !waiting.inFlight && pending.has(id) && transmit(waiting))
    })
  }

  function drop(how: 'close' | 'break'): void {
    record({ type: 'fault', kind: 'client-drop', target: client, phase: 'once' })
    const webSocket = webSocketOf(socket)
    if (how === 'break' && webSocket !== undefined) webSocket.terminate()
    else socket.io.engine?.close()
  }

  function take(message: RoomMessage): void {
    const { room } = message
    record({ type: 'message', client, room, ...entryOf(message) })
    const slot = slots.get(room)
    if (slot === undefined || dialect === 'stock') return
    const { epoch, offset, at } = message
    const behind = slot.position?.epoch === epoch && slot.position.offset >= offset
    if (!behind) slot.position = { epoch, offset, at }
  }

  socket.on('connect', () => {
    const recovered = socket.recovered === true
    const transport = socket.io.engine?.transport.name ?? '?'
    record({ type: 'connected', client, transport, recovered })
    socket.emit('gateway:hello', {}, (reply: Reply & { instance?: string }) => {
      instance = reply.instance
      if (instance !== undefined) record({ type: 'served', client, instance })
    })
    for (const [room, slot] of slots) {
      if (slot.state === 'out') continue
      const resumed = recovered && slot.state === 'joined'
      if (!resumed) {
        slot.state = 'away'
        join(room, slot)
      } else {
        const position = { epoch: '', offset: 0 }
        record({ type: 'joined', client, room, position, recovered: true, messages: [] })
      }
    }
    for (const waiting of pending.values()) transmit(waiting)
  })
  socket.on('disconnect', (reason) => {
    record({ type: 'disconnected', client, reason })
    instance = undefined
    for (const slot of slots.values()) {
      // A stock server may give its rooms back to a recovered connection.
      if (slot.state === 'leaving') slot.state = 'out'
      else if (slot.state !== 'out' && dialect === 'roomwire') slot.state = 'away'
    }
    for (const waiting of pending.values()) {
      if (!waiting.inFlight) continue
      waiting.inFlight = false
      const { room, id } = waiting
      record({ type: 'failed', client, room, id, code: 'DISCONNECTED', retryable: true })
    }
    // Told to stay away, it comes back nevertheless: a round has no room for clients that gave up.
    if (reason === 'io server disconnect') later(random.int(100, 400), () => socket.connect())
  })
  socket.on('room:message', take)
  socket.on('room:reset', ({ room, position }: { room: string; position: Position }) => {
    record({ type: 'reset', client, room, position })
    const slot = slots.get(room)
    if (slot !== undefined) slot.position = position
  })
  socket.on('gateway:status', ({ state }: { state: string }) => {
    record({ type: 'status', client, state })
  })
  socket.on('gateway:bye', ({ code }: { code: string }) => record({ type: 'bye', client, code }))

  return {
    id: client,
    rooms: options.rooms,
    get instance() {
      return instance
    },
    get pending() {
      return pending.size
    },
    position(room) {
      const slot = slots.get(room)
      return slot?.state === 'joined' && socket.connected ? slot.position : undefined
    },
    get out() {
      return [...slots.values()].filter(({ state }) => state === 'out' || state === 'leaving')
        .length
    },
    lacks(tails) {
      if (!socket.connected) return 'a connection'
      for (const [room, { state, position }] of slots) {
        if (state === 'out' || state === 'leaving') continue
        if (state !== 'joined') return `${room} (${state}), served by ${instance}`
        const tail = tails.get(room)
        if (tail === undefined || position === undefined) continue
        if (position.epoch === tail.epoch && position.offset < tail.offset) {
          return `${room} from ${position.offset} to ${tail.offset}, served by ${instance}`
        }
      }
      return undefined
    },
    send(room, size = 40) {
      if (over || pending.size >= MAX_PENDING) return false
      sent += 1
      const id = `${client}.${sent}.${size}`
      const waiting = { room, id, inFlight: false }
      pending.set(id, waiting)
      transmit(waiting)
      if (random.chance(options.twice)) transmit(waiting)
      if (random.chance(options.twice)) later(random.int(100, 3000), () => transmit(waiting))
      return true
    },
    stepOut(room, awayMs) {
      const slot = slots.get(room)
      if (slot?.state !== 'joined' || !socket.connected) return
      slot.state = 'leaving'
      const { id: connection } = socket
      later(awayMs, () => {
        // Not before the leave is answered: until then it is a member.
        if (slot.state === 'leaving') drop('close')
        slot.state = 'away'
        join(room, slot)
      })
      request('room:leave', { room }, (reply) => {
        if (socket.id !== connection || slot.state !== 'leaving' || !reply?.ok) return
        record({ type: 'left', client, room })
        slot.state = 'out'
      })
    },
    read(room) {
      if (!socket.connected || dialect === 'stock') return
      request('room:history', { room, limit: 20 }, (reply) => {
        if (!reply?.ok) return
        const { messages } = reply as unknown as { messages: RoomMessage[] }
        record({ type: 'history', client, room, messages: messages.map(entryOf) })
      })
    },
    drop,
    stall() {
      const webSocket = webSocketOf(socket)
      if (webSocket === undefined || !socket.connected) return undefined
      record({ type: 'fault', kind: 'client-stall', target: client, phase: 'once' })
      webSocket.pause()
      return () => {
        // One that was cut meanwhile reads on by itself.
        if (webSocketOf(socket) === webSocket) webSocket.resume()
      }
    },
    finish() {
      const wanted = [...slots].filter(([, slot]) => slot.state !== 'out').map(([room]) => room)
      const unanswered = [...pending.keys()]
      record({ type: 'end', client, rooms: wanted, unanswered })
      over = true
    },
    close() {
      over = true
      for (const timer of timers) clearTimeout(timer)
      socket.disconnect()
    },
  }
}

/** The body that belongs to an id; ids end with the length of the padding. */
function bodyOf(id: string): { of: string; pad: string } {
  return { of: id, pad: 'x'.repeat(Number(id.split('.').at(-1))) }
}

/** A message as the history keeps it; `altered` where its body is not the one that was sent. */
export function entryOf(message: RoomMessage): Entry {
  const { epoch, offset, id, at } = message
  const body = message.body as { of?: unknown; pad?: unknown } | null
  const expected = bodyOf(id)
  const intact = body?.of === id && body.pad === expected.pad
  return { epoch, offset, id, at, ...(!intact && { altered: true as const }) }
}

/** The WebSocket below an established connection; undefined while polling or not connected. */
function webSocketOf(socket: Socket): RawWebSocket | undefined {
  const transport = socket.io.engine?.transport as unknown as
    | { ws?: RawWebSocket | null }
    | undefined
  return transport?.ws ?? undefined
}

/** What we use of the `ws` package's client. */
interface RawWebSocket {
  pause(): void
  resume(): void
  terminate(): void
}
