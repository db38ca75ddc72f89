import type { FormerConnection, Home, SessionStore } from '../session/sessions.ts'
import type { MemoryStore } from './memory-store.ts'

/** Sessions remembered at most; the ones noted longest ago are forgotten first (D8). */
const MAX_SESSIONS = 100_000
const MAX_CONNECTIONS = 64
const MAX_OPEN = 16
/** How long an ended connection may be come back for. */
const KEEP_MS = 3_600_000

type Connections = Map<string, FormerConnection & Pick<Home, 'boot'>>

/** By store, so that brokers over one see each other's connections. */
const shared = new WeakMap<MemoryStore, Map<string, Connections>>()

/** The sessions of the instances in this process that share a store. */
export function createMemorySessions(
  store: MemoryStore,
  now: () => number = Date.now,
): SessionStore {
  const records = shared.get(store) ?? new Map<string, Connections>()
  shared.set(store, records)

  function put(session: string, connections: Connections): void {
    records.delete(session) // to the end of the order
    records.set(session, connections)
    const [oldest] = records.size > MAX_SESSIONS ? records.keys() : []
    if (oldest !== undefined) records.delete(oldest)
  }

  return {
    async opened(session, connection, { instance, boot }) {
      const at = now()
      const connections: Connections = records.get(session) ?? new Map()
      for (const [id, { cause, at: end }] of connections) {
        if (cause !== undefined && at - end > KEEP_MS) connections.delete(id)
      }
      const ended = [...connections].filter(([, { cause }]) => cause !== undefined)
      const last = ended.sort(([, a], [, b]) => a.at - b.at).at(-1)
      if (last !== undefined) connections.delete(last[0])
      const open = [...connections]
        .filter(([, { cause }]) => cause === undefined && last === undefined)
        .slice(0, MAX_OPEN)
        .map(([id, other]) => ({ connection: id, instance: other.instance, boot: other.boot }))
      const [oldest] = connections.size >= MAX_CONNECTIONS ? connections.keys() : []
      if (oldest !== undefined) connections.delete(oldest)
      connections.set(connection, { instance, boot, cause: undefined, at })
      put(session, connections)
      return { at, former: last === undefined ? undefined : formerOf(last[1]), open }
    },
    async closed(session, connection, home, cause) {
      const connections: Connections = records.get(session) ?? new Map()
      if (connections.size > 0 && !connections.has(connection)) return // taken out
      connections.set(connection, { ...home, cause, at: now() })
      put(session, connections)
    },
    look: async (session, connection) => formerOf(records.get(session)?.get(connection)),
    async take(session, connection) {
      const found = formerOf(records.get(session)?.get(connection))
      records.get(session)?.delete(connection)
      return found
    },
  }
}

function formerOf(record: FormerConnection | undefined): FormerConnection | undefined {
  if (record === undefined) return undefined
  const { instance, cause, at } = record
  return { instance, cause, at }
}
