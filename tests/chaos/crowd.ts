import type { Position } from '../../server/protocol.ts'
import type { Fact } from './history.ts'
import type { Random } from './random.ts'
import { createRecordingClient, type RecordingClient } from './recording-client.ts'

/** Shares of the clients that a fault hits. */
const DROPPED = 0.3
const STALLED = 0.2
/** Messages of a burst. Many more, and it is this process that the clients wait for. */
const BURST = 16

export interface CrowdOptions {
  url: string
  /** Tells the clients of one round from those of others. */
  tag: string
  clients: number
  rooms: readonly string[]
  /** Messages per second, over all clients. */
  rate: number
  random: Random
  dialect: 'roomwire' | 'stock'
  record(fact: Fact): void
}

/** All recording clients of a round, and the load that they make. */
export interface Crowd {
  readonly clients: readonly RecordingClient[]
  /** Sends without an acknowledgement, over all clients. */
  readonly pending: number
  /** Sends that no client had room for; the rate was not reached. */
  readonly refused: number
  start(): void
  /** No new sends, no more stepping out; what is pending goes on. */
  quieten(): void
  /**
   * A few messages into the quiet rooms, at random moments of the coming time. They get no others, so
   * that whoever misses the last one hears of it by nothing that follows (D4).
   */
  whisper(withinMs: number): void
  /** Some clients send a message of `size` bytes at once: more than Redis passes on in one piece. */
  burst(size: number): void
  /** Cuts some clients off; returns how many. */
  drop(random: Random): number
  /** Some clients stop reading until `release`. */
  stall(random: Random): { count: number; release(): void }
  /** Every client is a member of its rooms and has seen all up to these positions. */
  whole(tails: ReadonlyMap<string, Position>): boolean
  /** What is missing to that, in a line. */
  lacks(tails: ReadonlyMap<string, Position>): string
  /** Nobody is out of a room for a while, and nothing waits for an acknowledgement. */
  readonly calm: boolean
  finish(): void
  close(): void
}

export function createCrowd(options: CrowdOptions): Crowd {
  const { random, rooms } = options
  const busy = rooms.slice(0, Math.ceil(rooms.length * 0.7))
  const quiet = rooms.slice(busy.length)
  // Rooms of two or three members, which instances take up and give up again and again.
  const sparse = new Set([busy[1], quiet[1]])
  const clients = Array.from({ length: options.clients }, (_, number) => {
    const own = random.fork(number)
    return createRecordingClient({
      id: `${options.tag}c${number}`,
      url: options.url,
      rooms: rooms.filter((room, index) =>
        sparse.has(room) ? (number + index) % 16 === 0 : index === 0 || own.chance(0.4),
      ),
      // One in eight polls and upgrades, one in eight polls only.
      transports:
        number % 8 === 6
          ? ['polling', 'websocket']
          : number % 8 === 7
            ? ['polling']
            : ['websocket'],
      random: own,
      record: options.record,
      dialect: options.dialect,
      // Stock servers know no ids: there, only what is really in doubt is sent again.
      twice: options.dialect === 'stock' ? 0 : 0.02,
    })
  })
  const timers: NodeJS.Timeout[] = []
  let refused = 0

  function send(size?: number): void {
    const client = random.pick(clients)
    // Now and then into a room that it is no member of.
    const own = client.rooms.filter((room) => busy.includes(room))
    const room = own.length === 0 || random.chance(0.1) ? random.pick(busy) : random.pick(own)
    if (!client.send(room, size)) refused += 1
  }

  return {
    clients,
    get pending() {
      return clients.reduce((sum, client) => sum + client.pending, 0)
    },
    get refused() {
      return refused
    },
    start() {
      const begin = performance.now()
      let made = 0
      timers.push(
        setInterval(() => {
          const due = ((performance.now() - begin) * options.rate) / 1000
          for (; made < due; made += 1) send()
        }, 5),
        setInterval(() => {
          const client = random.pick(clients)
          // Longer than an instance keeps a room that nobody is in.
          const long = random.chance(0.15)
          const awayMs = long ? random.int(5000, 7000) : random.int(200, 2500)
          client.stepOut(random.pick(client.rooms), awayMs)
        }, 500),
        setInterval(() => {
          const client = random.pick(clients)
          client.read(random.pick(client.rooms))
        }, 1000),
      )
    },
    quieten() {
      for (const timer of timers) clearInterval(timer)
    },
    whisper(withinMs) {
      for (const room of quiet) {
        for (let left = 4; left > 0; left -= 1) {
          const send = (): void => void random.pick(clients).send(room)
          timers.push(setTimeout(send, random.next() * withinMs))
        }
      }
    },
    burst(size) {
      for (let left = BURST; left > 0; left -= 1) random.pick(clients).send(random.pick(busy), size)
    },
    drop(chooser) {
      const hit = clients.filter(() => chooser.chance(DROPPED))
      for (const client of hit) client.drop(chooser.pick(['close', 'break'] as const))
      return hit.length
    },
    stall(chooser) {
      const released = clients
        .filter(() => chooser.chance(STALLED))
        .map((client) => client.stall())
        .filter((release) => release !== undefined)
      return {
        count: released.length,
        release() {
          for (const release of released) release()
        },
      }
    },
    whole: (tails) => clients.every((client) => client.lacks(tails) === undefined),
    lacks(tails) {
      const behind = clients.flatMap((client) => {
        const what = client.lacks(tails)
        return what === undefined ? [] : [`${client.id} lacks ${what}`]
      })
      const more = behind.length > 4 ? `; and ${behind.length - 4} more` : ''
      return `${behind.length} clients: ${behind.slice(0, 4).join('; ')}${more}`
    },
    get calm() {
      return clients.every((client) => client.pending === 0 && client.out === 0)
    },
    finish() {
      for (const client of clients) client.finish()
    },
    close() {
      for (const timer of timers) clearInterval(timer)
      for (const client of clients) client.close()
    },
  }
}
