import type { Position, RoomMessage, StatusEvent } from '../../server/protocol.ts'
import type { Fact } from './history.ts'
import { createOutbox, retryMs } from './outbox.ts'
import { entryOf } from './payload.ts'
import type { Random } from './random.ts'
import { createWire, type WireOptions } from './wire.ts'

export interface RecordingClientOptions extends Omit<WireOptions, 'session'> {
  id: string
  rooms: readonly string[]
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

interface Slot {
  state: 'away' | 'joining' | 'joined' | 'leaving' | 'out'
  position: Position | undefined
}

export function createRecordingClient(options: RecordingClientOptions): RecordingClient {
  const { id: client, random, dialect } = options
  const wire = createWire({ ...options, session: client })
  const { socket } = wire
  const outbox = createOutbox({ client, wire, random, twice: options.twice, record })
  const slots = new Map<string, Slot>()
  for (const room of options.rooms) slots.set(room, { state: 'away', position: undefined })
  let instance: string | undefined
  let over = false

  function record(fact: Fact): void {
    if (!over) options.record(fact)
  }

  function join(room: string, slot: Slot): void {
    if (!socket.connected || slot.state !== 'away') return
    slot.state = 'joining'
    const since = slot.position
    const about = { client, room, ...(since !== undefined && { since }) }
    record({ type: 'join', ...about })
    const { id: connection } = socket
    wire.request('room:join', { room, since }, (reply) => {
      if (socket.id !== connection) return
      if (reply?.ok) {
        const { position, recovered, messages } = reply as unknown as {
          position: Position
          recovered: boolean
          messages: RoomMessage[]
        }
        record({ type: 'joined', ...about, position, recovered, messages: messages.map(entryOf) })
        slot.state = 'joined'
        slot.position = dialect === 'stock' ? undefined : position
        return
      }
      const code = reply?.error?.code ?? 'NO_REPLY'
      record({ type: 'refused', client, room, verb: 'join', code })
      slot.state = 'away'
      // What became of a join without a reply is unknown: only a new connection makes it clear.
      if (reply === undefined) drop('close')
      else wire.later(retryMs(reply, random), () => join(room, slot))
    })
  }

  function drop(how: 'close' | 'break'): void {
    record({ type: 'fault', kind: 'client-drop', target: client, phase: 'once' })
    wire.drop(how)
  }

  socket.on('connect', () => {
    const recovered = socket.recovered === true
    const transport = socket.io.engine?.transport.name ?? '?'
    record({ type: 'connected', client, transport, recovered })
    wire.request('gateway:hello', {}, (reply) => {
      instance = (reply as { instance?: string } | undefined)?.instance
      if (instance !== undefined) record({ type: 'served', client, instance })
    })
    for (const [room, slot] of slots) {
      if (slot.state === 'out') continue
      if (recovered && slot.state === 'joined') {
        const position = { epoch: '', offset: 0 }
        record({ type: 'joined', client, room, position, recovered, messages: [] })
      } else {
        slot.state = 'away'
        join(room, slot)
      }
    }
    outbox.connected()
  })
  socket.on('disconnect', (reason) => {
    record({ type: 'disconnected', client, reason })
    instance = undefined
    for (const slot of slots.values()) {
      if (slot.state === 'leaving') slot.state = 'out'
      // A stock server may give its rooms back to a recovered connection.
      else if (slot.state !== 'out' && dialect === 'roomwire') slot.state = 'away'
    }
    outbox.disconnected()
    // Told to stay away, it comes back nevertheless: a round has no room for clients that gave up.
    if (reason === 'io server disconnect') {
      wire.later(random.int(100, 400), () => socket.connect())
    }
  })
  socket.on('room:message', (message: RoomMessage) => {
    const { room, epoch, offset, at } = message
    record({ type: 'message', client, room, ...entryOf(message) })
    const slot = slots.get(room)
    if (slot === undefined || dialect === 'stock') return
    const behind = slot.position?.epoch === epoch && slot.position.offset >= offset
    if (!behind) slot.position = { epoch, offset, at }
  })
  socket.on('room:reset', ({ room, position }: { room: string; position: Position }) => {
    record({ type: 'reset', client, room, position })
    const slot = slots.get(room)
    if (slot !== undefined) slot.position = position
  })
  socket.on('gateway:status', (status: StatusEvent) => {
    record({ type: 'status', client, ...status })
  })
  socket.on('gateway:bye', ({ code }: { code: string }) => record({ type: 'bye', client, code }))

  return {
    id: client,
    rooms: options.rooms,
    get instance() {
      return instance
    },
    get pending() {
      return outbox.size
    },
    position(room) {
      const slot = slots.get(room)
      return slot?.state === 'joined' && socket.connected ? slot.position : undefined
    },
    get out() {
      const states = [...slots.values()].map(({ state }) => state)
      return states.filter((state) => state === 'out' || state === 'leaving').length
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
    send: (room, size = 40) => !over && outbox.send(room, size),
    stepOut(room, awayMs) {
      const slot = slots.get(room)
      if (slot?.state !== 'joined' || !socket.connected) return
      slot.state = 'leaving'
      const { id: connection } = socket
      wire.later(awayMs, () => {
        const unanswered = slot.state === 'leaving'
        slot.state = 'away'
        // Until a leave is answered it is a member; a new connection is none, and joins.
        if (unanswered) drop('close')
        else join(room, slot)
      })
      wire.request('room:leave', { room }, (reply) => {
        if (socket.id !== connection || slot.state !== 'leaving' || !reply?.ok) return
        record({ type: 'left', client, room })
        slot.state = 'out'
      })
    },
    read(room) {
      if (!socket.connected || dialect === 'stock') return
      wire.request('room:history', { room, limit: 20 }, (reply) => {
        if (!reply?.ok) return
        const { messages } = reply as unknown as { messages: RoomMessage[] }
        record({ type: 'history', client, room, messages: messages.map(entryOf) })
      })
    },
    drop,
    stall() {
      const release = wire.stall()
      if (release !== undefined) {
        record({ type: 'fault', kind: 'client-stall', target: client, phase: 'once' })
      }
      return release
    },
    finish() {
      const wanted = [...slots].filter(([, slot]) => slot.state !== 'out').map(([room]) => room)
      record({ type: 'end', client, rooms: wanted, unanswered: [...outbox.pending] })
      over = true
    },
    close() {
      over = true
      wire.close()
    },
  }
}
