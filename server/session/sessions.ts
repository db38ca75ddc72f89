/** Why and when a session's last connection ended; `cause` undefined: it was not seen to end. */
export interface FormerConnection {
  instance: string
  cause: string | undefined
  /** Its end, else its beginning; ms since 1970. */
  at: number
}

/**
 * Remembers each session's last connection, so that any instance can tell a reconnection from an
 * arrival. For metrics only: records expire, may be lost, and a failure is the caller's to ignore.
 * Errors: rejects with whatever the store has; nothing is retried.
 */
export interface SessionStore {
  /** Notes a connection and returns the one before it, atomically. */
  opened(
    session: string,
    connection: string,
    instance: string,
  ): Promise<FormerConnection | undefined>
  /** Notes its end, unless a later connection has been noted. */
  closed(session: string, connection: string, instance: string, cause: string): Promise<void>
}

/** Tells reconnections from arrivals, and both from further tabs of a live session. */
export interface Sessions {
  /** The reconnection this connection is, if it is one. Never rejects. */
  opened(session: string, connection: string): Promise<Reconnected | undefined>
  closed(session: string, connection: string, cause: string): void
}

export interface Reconnected {
  cause: string
  sameInstance: boolean
  gapMs: number | undefined
}

export function createSessions(deps: {
  store: SessionStore
  instance: string
  now?: () => number
}): Sessions {
  const { store, instance } = deps
  const now = deps.now ?? Date.now
  /** Connections of each session here. */
  const live = new Map<string, number>()

  return {
    async opened(session, connection) {
      const others = live.get(session) ?? 0
      live.set(session, others + 1)
      if (others > 0) return undefined // one more tab of a session that never left
      try {
        const former = await store.opened(session, connection, instance)
        if (former === undefined) return undefined
        return {
          cause: former.cause ?? 'unknown',
          sameInstance: former.instance === instance,
          gapMs: former.cause === undefined ? undefined : Math.max(0, now() - former.at),
        }
      } catch {
        return undefined // the store reports its own trouble; a metric is not worth more
      }
    },
    closed(session, connection, cause) {
      const others = (live.get(session) ?? 0) - 1
      if (others > 0) {
        live.set(session, others)
        return
      }
      if (!live.delete(session)) return
      store.closed(session, connection, instance, cause).catch(() => undefined)
    },
  }
}
