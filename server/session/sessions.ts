import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from './identity.ts'

/** An instance, and which of its processes: a restart keeps the name, but no connection. */
export interface Home {
  instance: string
  boot: string
}

/** How one of a session's connections ended. Times are by the store's clock, ms since 1970. */
export interface FormerConnection {
  instance: string
  /** Undefined: nobody saw it end. */
  cause: string | undefined
  /** Its end, else its beginning. */
  at: number
}

export interface OpenConnection extends Home {
  connection: string
}

/** What a session's new connection finds. */
export interface Arrival {
  /** Its beginning. */
  at: number
  /** The one that ended last; it has been taken out, so that one end explains one reconnection. */
  former: FormerConnection | undefined
  /** Where none has ended: those that nobody saw end, the oldest first, 16 at most. */
  open: readonly OpenConnection[]
}

/**
 * Remembers the connections of each session, the open ones and those that ended within an hour, so
 * that any instance can tell a reconnection from an arrival. For metrics only: records expire, may be
 * lost, and a failure is the caller's to ignore. Each method is atomic. Calls of one instance take
 * effect in their order. Rejects with whatever the store has; nothing is retried.
 */
export interface SessionStore {
  opened(session: string, connection: string, home: Home): Promise<Arrival>
  closed(session: string, connection: string, home: Home, cause: string): Promise<void>
  /** What is known of a connection; undefined where it was taken out. Changes nothing. */
  look(session: string, connection: string): Promise<FormerConnection | undefined>
  /** Takes it out and says what was known; of two who take it, one gets it. */
  take(session: string, connection: string): Promise<FormerConnection | undefined>
}

/**
 * Whether a process still runs: heard of lately; silent or forgotten; stopped as it was told to;
 * undefined while nobody can tell.
 */
export type Fate = 'live' | 'gone' | 'stopped' | undefined

/** Whose connections belong together: a session's, else an authenticated user's; else nobody's. */
export function whoReturns({ session, token, sender }: Identity): string | undefined {
  if (session !== undefined) return `s:${session}`
  return token === undefined ? undefined : `u:${sender}`
}

/** Tells reconnections from arrivals, and both from further tabs of a live session. */
export interface Sessions {
  /**
   * The reconnection this connection is, if it is one. Where the former connection still counts as
   * open, this takes until its end is known: seconds for a killed instance, a ping time-out for a
   * client that changed its network. Never rejects.
   */
  opened(session: string, connection: string): Promise<Reconnected | undefined>
  closed(session: string, connection: string, cause: string): void
}

export interface Reconnected {
  /** In the words of whoever ended it; `instance_died`; `unknown`. */
  cause: string
  sameInstance: boolean
  /** 0 where the new one began before the old one ended; undefined where nobody saw it end. */
  gapMs: number | undefined
}

/** First look at what was open; ends are noted within this time by all but the busiest instances. */
const SOON_MS = 1000
/** An end that is noted so long after the next one's beginning may have come before it. */
const LATE_MS = 3000
/** A killed instance is silent for so long by then that it is not merely busy. */
const DEAD_MS = [3000, 6000]
/** Beyond the ping time-out: until an end that it brings is noted. */
const SLACK_MS = 2000
/** Connections that wait to be explained at once; what is beyond is not counted (D8). */
const MAX_WAITING = 50_000

/**
 * A connection that its client closes itself while another is there was another tab; but one that left
 * and came back at once may be seen in the wrong order, by so much.
 */
const DISORDER_MS = 500
const LEFT = 'client namespace disconnect'
/** Ends that come long after the client has gone. */
const SILENT: readonly string[] = ['ping timeout', 'transport error', 'slow_client']

export function createSessions(deps: {
  store: SessionStore
  home: Home
  fate: (boot: string) => Fate
  /** A connection whose client is gone is noticed after this time at the latest. */
  pingMs: number
  wait?: (ms: number) => Promise<unknown>
}): Sessions {
  const { store, home, fate } = deps
  const wait = deps.wait ?? ((ms: number) => sleep(ms, undefined, { ref: false }))
  const lateMs = Math.max(deps.pingMs, ...DEAD_MS) + SLACK_MS
  let waiting = 0

  function reconnection(former: FormerConnection, at: number, cause?: string): Reconnected {
    return {
      cause: former.cause ?? cause ?? 'unknown',
      sameInstance: former.instance === home.instance,
      gapMs: former.cause === undefined ? undefined : Math.max(0, at - former.at),
    }
  }

  /** What one open connection has come to: ours to take, another's, or not to be known yet. */
  async function judge(
    session: string,
    { connection, boot }: OpenConnection,
    at: number,
    elapsedMs: number,
  ): Promise<{ take: 'instance_died' | 'unknown' } | 'not ours' | 'later'> {
    const known = await store.look(session, connection)
    if (known === undefined) return 'not ours'
    if (known.cause !== undefined) {
      const { cause } = known
      const late = known.at - at
      const replaced =
        late <= DISORDER_MS || (late <= LATE_MS ? cause !== LEFT : SILENT.includes(cause))
      return replaced ? { take: 'unknown' } : 'not ours'
    }
    if (elapsedMs <= SOON_MS) return 'later'
    const found = boot === home.boot ? 'live' : fate(boot)
    if (found === 'gone') return { take: 'instance_died' }
    if (found === 'stopped') return { take: 'unknown' } // it could not note its ends
    return found === undefined && elapsedMs >= lateMs ? { take: 'unknown' } : 'later'
  }

  /** Waits for what became of the connections that were open when this one began. */
  async function explain(
    session: string,
    at: number,
    open: readonly OpenConnection[],
  ): Promise<Reconnected | undefined> {
    let elapsedMs = 0
    let candidates = open
    for (const next of [SOON_MS, ...DEAD_MS, lateMs]) {
      await wait(next - elapsedMs)
      elapsedMs = next
      const later: OpenConnection[] = []
      for (const candidate of candidates) {
        const verdict = await judge(session, candidate, at, elapsedMs).catch(() => 'later' as const)
        if (verdict === 'later') later.push(candidate)
        else if (verdict !== 'not ours') {
          const former = await store.take(session, candidate.connection)
          if (former !== undefined) return reconnection(former, at, verdict.take)
        }
      }
      candidates = later
      if (candidates.length === 0) return undefined
    }
    return undefined // other tabs
  }

  return {
    async opened(session, connection) {
      try {
        const { at, former, open } = await store.opened(session, connection, home)
        if (former !== undefined) return reconnection(former, at)
        if (open.length === 0 || waiting >= MAX_WAITING) return undefined
        waiting += 1
        return await explain(session, at, open).finally(() => {
          waiting -= 1
        })
      } catch {
        return undefined // the store reports its own trouble; a metric is not worth more
      }
    },
    closed(session, connection, cause) {
      store.closed(session, connection, home, cause).catch(() => undefined)
    },
  }
}
