import type { JoinReply, MembersReply, Position, RoomMessage, Sender } from '../server/protocol.ts'
import { retryDelay } from './backoff.ts'
import type { Connection } from './connection.ts'
import { RoomwireError } from './errors.ts'
import { createEmitter, type Listenable } from './events.ts'
import type { Outbox, Outgoing, Sending } from './outbox.ts'
import { createTimeline } from './timeline.ts'
import type { GatewayEvents } from './wire.ts'

export interface RoomOptions {
  /** Messages to begin with, and after a reset: 50, at most 1,000. */
  history?: number
  /** Messages to hold: 5,000. Beyond that the oldest go. */
  keep?: number
  /** Asks for `presence` events. */
  presence?: boolean
  /** Begins after this position, as a program does that remembers where it was. */
  since?: Position
}

export interface RoomEvents {
  /**
   * A message that was not here yet: of the page that the room begins with, live, or missed during a
   * reconnection. In the room's order, each once.
   */
  message: RoomMessage
  /** What was here can no longer be vouched for (D6): `messages` begins anew. */
  reset: { messages: readonly RoomMessage[] }
  /** A message of ours changed its state. */
  status: Outgoing
  /** Of others. Forget it after some 5 s without news, and when their message comes. */
  typing: { from: Sender; typing: boolean }
  presence: { event: 'join' | 'leave'; user: Sender }
  /** `messages`, `outgoing`, `state` or `hasEarlier` is another one than before. */
  change: undefined
}

/**
 * A room that this client is in, kept whole over reconnections. Iterating yields what `message` tells,
 * from then on; it ends with `leave`, and throws `RESET` where messages may be missing, `TOO_SLOW` when
 * 1,000 messages wait for it.
 */
export interface Room extends Listenable<RoomEvents>, AsyncIterable<RoomMessage> {
  readonly name: string
  /** `refused`: see `error`. */
  readonly state: 'joining' | 'joined' | 'refused' | 'left'
  readonly error: RoomwireError | undefined
  /** In the room's order, without holes. The same array until it changes. */
  readonly messages: readonly RoomMessage[]
  /** Ours that are on their way, and those stored or refused that `messages` does not show. */
  readonly outgoing: readonly Outgoing[]
  readonly position: Position | undefined
  /** Whether `history()` may find something before the first of `messages`. */
  readonly hasEarlier: boolean
  /**
   * Sends a JSON value (D1, D2): in the order of the calls, over reconnections and reloads. The same
   * `id` (1 to 128 characters; made if not given) is stored once.
   */
  send(body: unknown, options?: { id?: string }): Sending
  /** Sends an uncertain message after all; it may then be there twice. */
  resend(id: string): void
  /** Forgets a message that is refused or uncertain, or still waits. */
  discard(id: string): void
  /**
   * The page of messages before an offset; by default the one before the first here, which `messages`
   * then begins with, as far as there is room. At most 1,000; as many as `history` said unless given.
   */
  history(before?: number, limit?: number): Promise<readonly RoomMessage[]>
  /** Who is here. Rejects with `RoomwireError`. */
  members(limit?: number): Promise<MembersReply>
  /**
   * Call at each keystroke, and with `false` when the text was sent or taken back: others are told at
   * most every 2 s, or not at all.
   */
  typing(typing: boolean): void
  /** Asks again after a refusal. */
  rejoin(): void
  /** What was sent goes on its way all the same. */
  leave(): void
}

export interface RoomDeps {
  connection: Connection
  outbox: Outbox
  /** `missed`: how many messages came back; undefined where nobody can tell. */
  recovered(event: { room: string; recovered: boolean; missed: number | undefined }): void
  left(): void
}

/** The client's side of a room. */
export interface JoinedRoom extends Room {
  /** What to do with the gateway's events for this room. */
  readonly takes: { [Event in keyof GatewayEvents]?: (of: GatewayEvents[Event]) => void }
  /** There is a new connection, or none any more. */
  connectionChanged(): void
  outgoingChanged(outgoing: Outgoing): void
  /** Ends it without a word to the gateway. */
  end(error?: RoomwireError): void
}

const STREAM_LIMIT = 1_000
const TYPING_MS = 2_000

export function createRoom(name: string, options: RoomOptions, deps: RoomDeps): JoinedRoom {
  const { connection, outbox } = deps
  const { history: page = 50, keep = 5_000, presence, since: start } = options
  const events = createEmitter<RoomEvents>()
  const timeline = createTimeline(keep, start)
  let state: Room['state'] = 'joining'
  let error: RoomwireError | undefined
  let outgoing: readonly Outgoing[] | undefined
  let failures = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  /** A join is unanswered. */
  let asking = false
  let typingSaidAt = 0

  const changed = () => events.emit('change', undefined)

  function join(): void {
    if (state === 'left' || asking || !connection.ready) return
    clearTimeout(retry)
    state = 'joining'
    asking = true
    const since = timeline.position
    const wish = { room: name, limit: page, since, presence }
    connection.ask('room:join', wish, (problem, reply) => {
      asking = false
      if (state === 'left') return
      error = problem
      if (!problem) {
        failures = 0
        state = 'joined'
        admit(reply, since !== undefined)
      } else if (!problem.retryable) state = 'refused'
      else if (connection.ready) {
        retry = setTimeout(join, retryDelay(failures++, problem.retryAfterMs))
      }
      connection.refresh()
      changed()
    })
  }

  function admit({ recovered, messages, position }: JoinReply, again: boolean): void {
    if (again && recovered) messages.forEach(deliver)
    else begin(messages, position, again)
    if (!again) return
    deps.recovered({ room: name, recovered, missed: recovered ? messages.length : undefined })
  }

  /** D6: what is here, if anything, can no longer be vouched for. */
  function begin(messages: readonly RoomMessage[], position: Position, anew: boolean): void {
    timeline.reset(messages, position)
    messages.forEach(anew ? seen : tell)
    if (anew) events.emit('reset', { messages })
  }

  const takes: JoinedRoom['takes'] = {
    'room:message': deliver,
    'room:reset'({ position }) {
      begin([], position, true)
      changed()
      history().catch(() => undefined) // it is there for whoever asks again
    },
    'room:typing'(of) {
      if (of.from.id !== connection.status.user?.id) events.emit('typing', of)
    },
    'room:presence': (of) => events.emit('presence', of),
  }

  /** D3, D5. The gateway leaves no holes; if there is one, it is asked for and not shown. */
  function deliver(message: RoomMessage): void {
    if (!timeline.position) return
    const arrival = timeline.deliver(message)
    if (arrival === 'hole') join()
    if (arrival !== 'next') return
    tell(message)
    changed()
  }

  function tell(message: RoomMessage): void {
    seen(message)
    events.emit('message', message)
  }

  function seen({ from, id, epoch, offset, at }: RoomMessage): void {
    if (from.id !== connection.status.user?.id) return
    outbox.seen(name, { id, position: { epoch, offset, at }, duplicate: false, at })
  }

  async function history(before?: number, limit = page): Promise<readonly RoomMessage[]> {
    const offset = before ?? timeline.first()
    const wish = { room: name, before: offset, limit }
    const { messages } = await connection.request('room:history', wish)
    if (timeline.prepend(messages, offset)) {
      messages.forEach(seen)
      changed()
    }
    return messages
  }

  function end(why?: RoomwireError): void {
    state = 'left'
    error = why
    clearTimeout(retry)
    changed()
    events.clear()
  }

  join()
  return {
    name,
    on: events.on,
    get state() {
      return state
    },
    get error() {
      return error
    },
    get messages() {
      return timeline.messages
    },
    get outgoing() {
      outgoing ??= outbox.outgoing.filter(({ room }) => room === name)
      return outgoing
    },
    get position() {
      return timeline.position
    },
    get hasEarlier() {
      return timeline.hasEarlier
    },
    send: (body, { id } = {}) => outbox.send(name, body, id),
    resend: (id) => outbox.resend(name, id),
    discard: (id) => outbox.discard(name, id),
    history,
    members: (limit) => connection.request('room:members', { room: name, limit }),
    typing(typing) {
      const now = Date.now()
      if (typing && now - typingSaidAt < TYPING_MS) return
      typingSaidAt = typing ? now : 0
      if (connection.ready) connection.socket.volatile.emit('room:typing', { room: name, typing })
    },
    rejoin: join,
    leave() {
      if (state === 'left') return
      end()
      deps.left()
      // Not being connected is having left; a refusal changes nothing for us.
      connection.request('room:leave', { room: name }).catch(() => undefined)
    },
    takes,
    connectionChanged() {
      failures = 0
      if (connection.ready) join()
      else if (state === 'joined') state = 'joining'
    },
    outgoingChanged(one) {
      outgoing = undefined
      events.emit('status', one)
      changed()
    },
    end,
    async *[Symbol.asyncIterator]() {
      const queue: RoomMessage[] = []
      let problem: RoomwireError | undefined
      let wake: (() => void) | undefined
      const subscriptions = [
        events.on('message', (message) => {
          if (problem) return
          if (queue.length < STREAM_LIMIT) queue.push(message)
          else problem = new RoomwireError('TOO_SLOW', `${STREAM_LIMIT} messages wait`)
        }),
        events.on('reset', () => {
          problem ??= new RoomwireError('RESET', 'messages may be missing')
        }),
        // Tells of all of these, and of the end.
        events.on('change', () => wake?.()),
      ]
      try {
        for (;;) {
          const message = queue.shift()
          if (message) yield message
          else if (problem) throw problem
          else if (state === 'left') return
          else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        for (const unsubscribe of subscriptions) unsubscribe()
      }
    },
  }
}
