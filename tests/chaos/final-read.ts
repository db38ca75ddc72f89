import { createClient } from 'redis'
import type { RoomMessage } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import type { RedisServer } from '../support/redis-server.ts'
import { createScope, type Scope } from '../support/scope.ts'
import type { Entry, Fact } from './history.ts'
import { entryOf } from './payload.ts'
import type { System } from './system.ts'

const PAGE = 1000

/** Where the final logs are read: through the balancer, and in Redis. */
export type Store = Pick<System, 'url' | 'redis' | 'prefix'> & {
  /** Where there are several servers: who has a key. */
  store?: Pick<System['store'], 'serverOf'>
}

/** Reads the whole log of every room twice: through a new client, and straight from Redis. */
export async function readFinals(system: Store, rooms: readonly string[]): Promise<Fact[]> {
  await using scope = createScope()
  const reader = await connectClient(scope, system.url, { session: `reader-${Date.now()}` })
  const clients = new Map<RedisServer, ReturnType<typeof connectTo>>()
  async function storedIn(key: string) {
    const server = (await system.store?.serverOf(key)) ?? system.redis
    const client = clients.get(server) ?? connectTo(scope, server)
    clients.set(server, client)
    return (await client).xRange(key, '-', '+')
  }
  // What is refused for the moment is asked again.
  const ask: typeof reader.ask = (event, payload) =>
    eventually(() => reader.ask(event, payload), { what: event, timeoutMs: 20_000 })

  const facts: Fact[] = []
  for (const room of rooms) {
    const { position, messages } = await ask('room:join', { room, limit: PAGE })
    let all: RoomMessage[] = messages
    while (all[0] !== undefined && all[0].offset > 1) {
      const before = all[0].offset
      const page = await ask('room:history', { room, before, limit: PAGE })
      if (page.messages.length === 0) break
      all = [...page.messages, ...all]
    }
    const about = { type: 'final', room } as const
    facts.push({ ...about, source: 'client', epoch: position.epoch, entries: all.map(entryOf) })

    const stored = await storedIn(`${system.prefix}:{${room}}:log`)
    facts.push({ ...about, source: 'store', epoch: '', entries: (stored ?? []).map(storedEntry) })
  }
  return facts
}

async function connectTo(scope: Scope, { host, port, admin }: RedisServer) {
  const client = createClient({ socket: { host, port }, ...admin })
  client.on('error', () => {})
  await client.connect()
  scope.defer(() => client.destroy())
  return client
}

/** An entry of the log as Redis holds it: stream id `<offset>-<at>`, the content in `m`. */
function storedEntry({ id, message }: { id: string; message: Record<string, string> }): Entry {
  const [offset, at] = id.split('-').map(Number)
  const content = JSON.parse(message['m'] ?? '{}') as { id?: string }
  return { epoch: '', offset: offset ?? 0, at: at ?? 0, id: content.id ?? '' }
}
