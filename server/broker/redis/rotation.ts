import type { Endpoint } from './client.ts'
import type { Reauthentication } from './connection.ts'

/**
 * The password of one Redis while it changes. Live connections are authenticated anew in place, so
 * that nobody is dropped; new ones begin with the newest password and fall back to the one that was
 * accepted before. So both orders work: Redis may learn the password before or after we do.
 */
export interface Rotation {
  /** Where and as whom to connect at this moment. */
  endpoint(): Endpoint
  /** Connections of this link use the password as well. */
  add(link: Authenticated): void
  /** From now on this is the password. */
  change(password: string): void
  /** Tries a password that was refused again, at once. */
  hurry(): void
  stop(): void
}

export interface Authenticated {
  /** Logs every connection in again; one outcome for each. Never rejects. */
  reauthenticate(password: string): Promise<readonly Reauthentication[]>
}

/** Told how a change fares; implementations must not throw. */
export interface RotationObserver {
  /** Every connection uses the new password. */
  accepted(connections: number): void
  /** Redis refused it, to a live connection or to a new one; told at every attempt. */
  refused(): void
}

const RETRY_FIRST_MS = 250
/** The file may come long before Redis; each attempt is an entry in Redis' ACL log. */
const RETRY_MAX_MS = 5000

export function createRotation(target: Endpoint, observer: RotationObserver): Rotation {
  const links: Authenticated[] = []
  let newest = target.password
  /** What Redis is known to take or to have taken, the latest first. */
  let accepted = [target.password]
  let pending = false
  let attempting = false
  let pause = RETRY_FIRST_MS
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function attempt(): Promise<void> {
    clearTimeout(timer)
    if (attempting || stopped || newest === undefined) return
    attempting = true
    const password = newest
    const outcomes = (await Promise.all(links.map((link) => link.reauthenticate(password)))).flat()
    attempting = false
    if (stopped) return
    if (password !== newest) return attempt() // changed once more meanwhile
    if (outcomes.every((outcome) => outcome === 'accepted')) {
      pending = false
      accepted = [password, ...accepted.filter((other) => other !== password)].slice(0, 2)
      observer.accepted(outcomes.length)
      return
    }
    if (outcomes.includes('refused')) observer.refused()
    retryLater()
  }

  function retryLater(): void {
    clearTimeout(timer)
    timer = setTimeout(() => void attempt(), pause * (0.5 + Math.random() / 2)).unref()
    pause = Math.min(pause * 2, RETRY_MAX_MS)
  }

  return {
    endpoint() {
      const former = accepted.find((password) => password !== newest)
      return {
        ...target,
        password: newest,
        former: former === undefined ? undefined : { password: former, needed: fallBack },
      }
    },
    add: (link) => void links.push(link),
    change(password) {
      newest = password
      pending = true
      pause = RETRY_FIRST_MS
      void attempt()
    },
    hurry() {
      if (pending) void attempt()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }

  /** A server that does not know the newest password: one of several, or one that was set back. */
  function fallBack(): void {
    observer.refused()
    if (pending || stopped) return
    pending = true
    pause = RETRY_FIRST_MS
    retryLater()
  }
}
