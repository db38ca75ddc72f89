import type { Socket } from 'socket.io-client'
import { type ClientState, type ConnectionStatus, createConnection } from './connection.ts'
import { RoomwireError } from './errors.ts'
import { createEmitter, type Listenable } from './events.ts'
import { createIndexedDbStore } from './indexeddb-store.ts'
import type { ConnectOptions, Storage } from './options.ts'
import { createOutbox, type Outgoing } from './outbox.ts'
import type { StoredEntry } from './outbox-store.ts'
import { randomId } from './random-id.ts'
import { createRoom, type JoinedRoom, type Room, type RoomOptions } from './room.ts'
import { claimSession, type TabSession } from './tab-session.ts'
import type { GatewayEvents } from './wire.ts'

export type { MembersReply as Members } from '../server/protocol.ts'
export type { Listenable } from './events.ts'
export type { ConnectOptions, Storage } from './options.ts'
export type { Outgoing, Sending, SendStatus, Sent } from './outbox.ts'
export type { Room, RoomEvents, RoomOptions } from './room.ts'
export type { ClientState }
export { RoomwireError }

export interface Status extends ConnectionStatus {
  /** Where unsent messages are kept; `memory` also where the browser refused to keep them. */
  readonly storage: Storage
}

export interface ClientEvents {
  /** Any change of `status`. */
  state: Status
  /**
   * A room is up to date again after a reconnection. `missed`: how many messages came meanwhile; they
   * were told of by the room's `message`. `recovered: false`: see the room's `reset`.
   */
  recovered: { room: string; recovered: boolean; missed: number | undefined }
  /** A message of ours changed its state, in any room. */
  status: Outgoing
}

/** One user's connection to a gateway, kept up until `close`. */
export interface Client extends Listenable<ClientEvents> {
  /** The same object until something changes. */
  readonly status: Status
  /** The session in use; undefined for the moment that it takes to claim one. A secret. */
  readonly session: string | undefined
  /** Ours that are on their way, in all rooms, also in those not opened. */
  readonly outgoing: readonly Outgoing[]
  /** The underlying Socket.IO socket, for events of your own. */
  readonly socket: Socket
  /**
   * Joins; the room that is already open is returned as it is. Throws `BAD_REQUEST` for a name that no
   * room can have (1 to 200 bytes).
   */
  room(name: string, options?: RoomOptions): Room
  /** Goes offline until `resume`; what is sent waits. */
  pause(): void
  /** Connects again, also after a refusal. */
  resume(): void
  /**
   * Ends everything. What was not sent is kept for the next client of this session, where storage is
   * `indexeddb`; its promises reject with `CLOSED`.
   */
  close(): void
}

/** Connects to the gateway at `url` (`''`: where the page came from), and stays connected. */
export function connect(url: string, options: ConnectOptions = {}): Client {
  const events = createEmitter<ClientEvents>()
  const rooms = new Map<string, JoinedRoom>()
  const scope = `${url || globalThis.location?.origin}${options.path ?? ''}`
  let storage = options.storage ?? 'indexeddb'
  if (storage === 'indexeddb' && !globalThis.indexedDB) storage = 'memory'
  let claimed: TabSession | undefined
  let paused = false
  let closed = false

  const connection = createConnection(url, options, {
    catchingUp: () => [...rooms.values()].some(({ state }) => state === 'joining'),
    changed(now) {
      if (!connection.ready) for (const room of rooms.values()) room.connectionChanged()
      tell(now)
    },
    ready() {
      outbox.identify(connection.status.user?.id, options.token !== undefined)
      for (const room of rooms.values()) room.connectionChanged()
      outbox.hurry() // rooms ask first for what they missed
    },
    restored: () => outbox.hurry(),
    left: (name) => rooms.get(name)?.rejoin(),
  })
  const { maxMessages = 2_000, maxBytes = 4 * 1024 * 1024 } = options.outbox ?? {}
  const outbox = createOutbox({
    transmit: (room, id, body) => connection.request('room:send', { room, id, body }),
    ready: () => connection.ready,
    limits: () => connection.limits,
    changed(outgoing) {
      events.emit('status', outgoing)
      rooms.get(outgoing.room)?.outgoingChanged(outgoing)
    },
    storeFailed: () => keepIn('memory'),
    once: storage === 'none',
    maxMessages,
    maxBytes,
  })
  let status: Status = { ...connection.status, storage }

  function tell(now: ConnectionStatus): void {
    status = { ...now, storage }
    events.emit('state', status)
  }

  function keepIn(where: Storage): void {
    storage = where
    tell(connection.status)
  }

  async function open(): Promise<void> {
    let store = storage === 'indexeddb' ? createIndexedDbStore(`roomwire ${scope}`) : undefined
    const { token, user, session } = options
    // With tokens only who is named can be told from somebody else.
    const isOurs = (entry: StoredEntry) => (user ? entry.user === user : !token)
    claimed = await claimSession({
      scope,
      wanted: session,
      leftBehind: async () => {
        const left = (await store?.load().catch(() => [])) ?? []
        return [...new Set(left.filter(isOurs).map((entry) => entry.session))]
      },
      // Of a browser that lacks something: then no other tab has it either.
    }).catch(() => ({ session: session ?? randomId(), release: undefined }))
    if (!claimed.release || closed) {
      store?.close()
      store = undefined
    }
    if (closed) return claimed.release?.()
    if (storage === 'indexeddb' && !store) keepIn('memory') // another tab has the outbox
    await outbox.open(claimed.session, store)
    if (!closed && !paused) connection.open(claimed.session)
  }
  void open()
  connection.socket.onAny((event: keyof GatewayEvents, payload) => {
    rooms.get(payload?.room)?.takes[event]?.(payload as never)
  })

  return {
    on: events.on,
    socket: connection.socket,
    get status() {
      return status
    },
    get session() {
      return claimed?.session
    },
    get outgoing() {
      return outbox.outgoing
    },
    room(name, roomOptions = {}) {
      const known = rooms.get(name)
      if (known) return known
      if (closed) throw new RoomwireError('CLOSED', 'closed')
      if (!name || new TextEncoder().encode(name).length > 200) {
        throw new RoomwireError('BAD_REQUEST', 'room: must be 1 to 200 bytes')
      }
      const room = createRoom(name, roomOptions, {
        connection,
        outbox,
        recovered: (event) => events.emit('recovered', event),
        left: () => rooms.delete(name),
      })
      rooms.set(name, room)
      return room
    },
    pause() {
      paused = true
      connection.stop(new RoomwireError('OFFLINE', 'paused', true))
    },
    resume() {
      paused = false
      if (claimed && !closed) connection.open(claimed.session)
    },
    close() {
      if (closed) return
      closed = true
      outbox.close()
      connection.close()
      for (const room of rooms.values()) room.end(new RoomwireError('CLOSED', 'closed'))
      rooms.clear()
      claimed?.release?.()
      events.clear()
    },
  }
}
