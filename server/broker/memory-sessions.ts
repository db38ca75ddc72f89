import type { FormerConnection, SessionStore } from '../session/sessions.ts'

/** Sessions remembered at most; the ones noted longest ago are forgotten first (D8). */
const MAX_SESSIONS = 100_000

/** The session store of a single instance. */
export function createMemorySessions(now: () => number = Date.now): SessionStore {
  const records = new Map<string, FormerConnection & { connection: string }>()
  return {
    async opened(session, connection, instance) {
      const former = records.get(session)
      records.delete(session) // to the end of the order
      records.set(session, { connection, instance, cause: undefined, at: now() })
      if (records.size > MAX_SESSIONS) {
        for (const oldest of records.keys()) {
          records.delete(oldest)
          break
        }
      }
      return former
    },
    async closed(session, connection, instance, cause) {
      if (records.get(session)?.connection !== connection) return
      records.set(session, { connection, instance, cause, at: now() })
    },
  }
}
