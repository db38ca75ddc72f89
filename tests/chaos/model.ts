import type { Position } from '../../server/protocol.ts'
import { createHistory, type Entry, type HistoryEvent } from './history.ts'
import { createRandom } from './random.ts'

interface ModelRoom {
  name: string
  epoch: string
  log: Entry[]
  stored: Map<string, Position>
}

type Frame = { entry: Entry } | { reset: Position }

interface ModelView {
  member: boolean
  wanted: boolean
  cursor: Position | undefined
  /** On its way to the client, in order. */
  wire: Frame[]
}

export interface ModelOptions {
  steps?: number
  /** Once in the middle, the store forgets the end of every room. */
  rollback?: boolean
}

/**
 * A history as a faultless gateway would produce it, with everything that is allowed to happen: sends of
 * unknown outcome, retries, repeated sends, slow wires, disconnections, joins with and without a
 * position, trimmed resumes, and, where asked for, a rollback that everybody is told of.
 */
export function modelHistory(seed: number, options: ModelOptions = {}): HistoryEvent[] {
  const random = createRandom(seed)
  const steps = options.steps ?? 300
  let clock = 1_700_000_000_000
  let made = 0
  const history = createHistory(1_000_000, () => {
    clock += random.int(0, 3)
    return clock
  })
  const rooms = ['red', 'blue'].map(
    (name): ModelRoom => ({ name, epoch: `${name}1`, log: [], stored: new Map() }),
  )
  const clients = ['a', 'b', 'c', 'd'].map((name) => ({
    name,
    online: false,
    unanswered: [] as { room: ModelRoom; id: string }[],
    acked: [] as { room: ModelRoom; id: string }[],
    views: new Map<ModelRoom, ModelView>(
      rooms.map((room) => [
        room,
        { member: false, wanted: random.chance(0.8), cursor: undefined, wire: [] },
      ]),
    ),
  }))
  type Client = (typeof clients)[number]

  const viewOf = (client: Client, room: ModelRoom): ModelView => {
    const view = client.views.get(room)
    if (view === undefined) throw new Error('no such view')
    return view
  }
  const tail = (room: ModelRoom): Position => {
    const last = room.log.at(-1)
    return last === undefined
      ? { epoch: room.epoch, offset: 0 }
      : { epoch: room.epoch, offset: last.offset, at: last.at }
  }

  function append(room: ModelRoom, id: string, heard = true): Position {
    const entry = { epoch: room.epoch, offset: tail(room).offset + 1, id, at: clock }
    room.log.push(entry)
    const position = tail(room)
    room.stored.set(id, position)
    if (heard) {
      for (const client of clients) {
        const view = viewOf(client, room)
        if (view.member) view.wire.push({ entry })
      }
    }
    return position
  }

  function send(client: Client, room: ModelRoom, id: string): void {
    const about = { client: client.name, room: room.name, id }
    history.record({ type: 'send', ...about })
    const outcome = random.next()
    if (outcome < 0.15) {
      // Stored or not, the sender does not learn it.
      if (outcome < 0.07 && !room.stored.has(id)) append(room, id)
      const code = outcome < 0.1 ? 'OUTCOME_UNKNOWN' : 'DISCONNECTED'
      history.record({ type: 'failed', ...about, code, retryable: true })
      client.unanswered.push({ room, id })
      return
    }
    const known = room.stored.get(id)
    const position = known ?? append(room, id)
    if (random.chance(0.5)) pump(client, room)
    history.record({ type: 'acked', ...about, position, duplicate: known !== undefined })
    client.acked.push({ room, id })
  }

  function pump(client: Client, room: ModelRoom): void {
    const view = viewOf(client, room)
    const about = { client: client.name, room: room.name }
    for (const frame of view.wire.splice(0, random.int(1, 4))) {
      if ('reset' in frame) {
        history.record({ type: 'reset', ...about, position: frame.reset })
        view.cursor = frame.reset
      } else {
        history.record({ type: 'message', ...about, ...frame.entry })
        const { epoch, offset, at } = frame.entry
        view.cursor = { epoch, offset, at }
      }
    }
  }

  function join(client: Client, room: ModelRoom): void {
    const view = viewOf(client, room)
    const since = random.chance(0.9) ? view.cursor : undefined
    const position = tail(room)
    const recovered = since === undefined || (since.epoch === room.epoch && random.chance(0.9))
    const from = since !== undefined && recovered ? since.offset : Math.max(0, position.offset - 20)
    const relabel = (entry: Entry): Entry => ({ ...entry, epoch: room.epoch })
    const messages = room.log.filter(({ offset }) => offset > from).map(relabel)
    const about = { client: client.name, room: room.name, ...(since && { since }) }
    history.record({ type: 'join', ...about })
    history.record({ type: 'joined', ...about, position, recovered, messages })
    Object.assign(view, { member: true, wanted: true, cursor: position, wire: [] })
  }

  function connect(client: Client): void {
    client.online = true
    const about = { client: client.name, transport: 'websocket', recovered: false }
    history.record({ type: 'connected', ...about })
    for (const room of rooms) if (viewOf(client, room).wanted) join(client, room)
  }

  function disconnect(client: Client): void {
    client.online = false
    history.record({ type: 'disconnected', client: client.name, reason: 'transport close' })
    for (const view of client.views.values()) Object.assign(view, { member: false, wire: [] })
  }

  function rollBack(room: ModelRoom): void {
    const kept = Math.max(0, room.log.length - random.int(1, 20))
    for (const { id } of room.log.splice(kept)) room.stored.delete(id)
    // Somebody without members appends before anyone notices: to the old epoch.
    for (let left = random.int(0, 30); left > 0; left -= 1) {
      made += 1
      const about = { client: 'other', room: room.name, id: `other-${made}` }
      history.record({ type: 'send', ...about })
      const position = append(room, about.id, false)
      history.record({ type: 'acked', ...about, position, duplicate: false })
    }
    room.epoch = `${room.name}2`
    for (const client of clients) {
      const view = viewOf(client, room)
      if (view.member) view.wire.push({ reset: tail(room) })
    }
  }

  function step(): void {
    const client = random.pick(clients)
    const room = random.pick(rooms)
    if (!client.online) {
      if (random.chance(0.5)) connect(client)
      return
    }
    const view = viewOf(client, room)
    const dice = random.next()
    if (dice < 0.4) {
      made += 1
      send(client, room, `${client.name}-${made}`)
    } else if (dice < 0.5) {
      const waiting = client.unanswered.shift()
      if (waiting !== undefined) send(client, waiting.room, waiting.id)
    } else if (dice < 0.55) {
      const again = client.acked.at(-1)
      if (again !== undefined) send(client, again.room, again.id)
    } else if (dice < 0.85) pump(client, room)
    else if (dice < 0.9) disconnect(client)
    else if (dice < 0.93) {
      const messages = room.log.slice(-10).map((entry) => ({ ...entry, epoch: room.epoch }))
      history.record({ type: 'history', client: client.name, room: room.name, messages })
    } else if (view.member) {
      pump(client, room)
      history.record({ type: 'left', client: client.name, room: room.name })
      Object.assign(view, { member: false, wanted: false, wire: [] })
    } else join(client, room)
  }

  for (let left = steps; left > 0; left -= 1) {
    if (options.rollback && left === Math.floor(steps / 2)) rooms.forEach(rollBack)
    step()
  }
  for (const client of clients) {
    if (!client.online) connect(client)
    while (client.unanswered.length > 0) {
      const waiting = client.unanswered.shift()
      if (waiting !== undefined) send(client, waiting.room, waiting.id)
    }
  }
  for (const client of clients) {
    for (const [room, view] of client.views) while (view.wire.length > 0) pump(client, room)
  }
  for (const room of rooms) {
    const entries = room.log.map((entry) => ({ ...entry, epoch: room.epoch }))
    const about = { room: room.name, entries }
    history.record({ type: 'final', ...about, source: 'client', epoch: room.epoch })
    history.record({ type: 'final', ...about, source: 'store', epoch: '' })
  }
  for (const client of clients) {
    const wanted = rooms.filter((room) => viewOf(client, room).member)
    const about = { client: client.name, rooms: wanted.map(({ name }) => name), unanswered: [] }
    history.record({ type: 'end', ...about })
  }
  return [...history.events]
}
