import type { Position } from '../../server/protocol.ts'
import type { Fact } from '../chaos/history.ts'
import { createRandom } from '../chaos/random.ts'
import { createRecordingClient, type RecordingClient } from '../chaos/recording-client.ts'
import { until } from '../chaos/round.ts'

export interface SteadyCrowdOptions {
  url: string
  /** Begins the names of the clients. */
  tag: string
  clients: number
  rooms: readonly string[]
  /** Rooms that each client is in; they are dealt out evenly. */
  roomsEach: number
  record(fact: Fact): void
}

/** Recording clients that stay in their rooms, and an even load; nobody leaves or drops by himself. */
export interface SteadyCrowd {
  readonly clients: readonly RecordingClient[]
  readonly pending: number
  /** So many messages a second, each by some client into one of `rooms` that it is in. */
  load(rate: number, rooms?: readonly string[]): void
  quieten(): void
  /** Everybody is a member of all his rooms and has seen all up to these positions. */
  whole(tails: ReadonlyMap<string, Position>): boolean
  finish(): void
  close(): void
}

/** Clients on their way at once: the arrival is not what is tested. */
const ARRIVING = 50
const ARRIVAL_MS = 60_000

/** Resolves when all are members of their rooms. */
export async function startSteadyCrowd(options: SteadyCrowdOptions): Promise<SteadyCrowd> {
  const { rooms, roomsEach } = options
  const random = createRandom(1)
  const clients: RecordingClient[] = []
  let timer: NodeJS.Timeout | undefined

  const close = () => {
    clearInterval(timer)
    for (const client of clients) client.close()
  }
  while (clients.length < options.clients) {
    const few = Math.min(ARRIVING, options.clients - clients.length)
    const arriving = Array.from({ length: few }, (_, index) => {
      const number = clients.length + index
      const first = number * roomsEach
      const own = Array.from({ length: roomsEach }, (_, k) => rooms[(first + k) % rooms.length])
      return createRecordingClient({
        id: `${options.tag}-${number}`,
        url: options.url,
        rooms: [...new Set(own.filter((room) => room !== undefined))],
        transports: ['websocket'],
        random: random.fork(number),
        record: options.record,
        dialect: 'roomwire',
        twice: 0,
      })
    })
    clients.push(...arriving)
    const there = () => arriving.every((client) => client.lacks(new Map()) === undefined)
    if (await until(there, ARRIVAL_MS)) continue
    close()
    throw new Error(`of ${clients.length} clients not all could join`)
  }

  return {
    clients,
    get pending() {
      return clients.reduce((sum, client) => sum + client.pending, 0)
    },
    load(rate, busy = rooms) {
      const begin = performance.now()
      const talkers = clients
        .map((client) => ({ client, own: client.rooms.filter((room) => busy.includes(room)) }))
        .filter(({ own }) => own.length > 0)
      let made = 0
      timer = setInterval(() => {
        const due = ((performance.now() - begin) * rate) / 1000
        for (; made < due; made += 1) {
          const { client, own } = random.pick(talkers)
          client.send(random.pick(own))
        }
      }, 5)
    },
    quieten: () => clearInterval(timer),
    whole: (tails) => clients.every((client) => client.lacks(tails) === undefined),
    finish() {
      for (const client of clients) client.finish()
    },
    close,
  }
}
