import { type Address, ask, type Endpoint } from './client.ts'
import { createConnection } from './connection.ts'
import { type FailureKind, RedisFailure } from './failure.ts'

/** Which server is the primary now, by Sentinels that watch it. */
export interface Sentinels {
  /**
   * Asks one Sentinel after the other. The answer may be old: whoever connects there proves it by
   * writing.
   *
   * @throws RedisFailure the most telling of their failures
   */
  locate(): Promise<Address>
  /** Calls back when a Sentinel announces another primary: the old one may still answer. */
  onSwitch(listener: () => void): void
  close(): void
}

/** What Sentinels are asked by: as endpoints, with credentials of their own. */
export interface SentinelsDeps {
  /** The name of the master in their configuration. */
  master: string
  /** Read for each attempt, at least one. */
  endpoints: () => readonly Endpoint[]
}

/** One that is frozen does not keep us from asking the next: three of them take 2.4 s. */
const ANSWER_MS = 800
/** Connections that come back together ask once: each question is a connection of its own (3 ms of CPU). */
const ANSWER_HOLDS_MS = 150
const SWITCHED = '+switch-master'
const MOST_TELLING: readonly FailureKind[] = ['wrongpass', 'noauth', 'noperm', 'sentinel', 'tls']

export function createSentinels({ master, endpoints }: SentinelsDeps): Sentinels {
  /** Who is asked first: whoever gave an answer that did not last is asked last. */
  let next = 0
  let watched = 0
  const listeners: (() => void)[] = []
  let answer: Promise<Address> | undefined

  function locate(): Promise<Address> {
    if (answer !== undefined) return answer
    const asked = askAll()
    const forget = () => {
      setTimeout(() => {
        answer = undefined
      }, ANSWER_HOLDS_MS).unref()
    }
    asked.then(forget, forget)
    answer = asked
    return asked
  }

  async function askAll(): Promise<Address> {
    const all = endpoints()
    const failures: RedisFailure[] = []
    for (let asked = 0; asked < all.length; asked += 1) {
      const endpoint = all[next++ % all.length]
      if (endpoint === undefined) break
      try {
        return await askOne(endpoint)
      } catch (error) {
        failures.push(error instanceof RedisFailure ? error : new RedisFailure('other'))
      }
    }
    const rank = ({ kind }: RedisFailure) => (MOST_TELLING.indexOf(kind) + 100) % 100
    const [worst] = failures.sort((a, b) => rank(a) - rank(b))
    const kind = worst?.kind ?? 'sentinel'
    throw kind === 'sentinel'
      ? new RedisFailure(kind)
      : new RedisFailure(kind, { detail: 'asking the Sentinels' })
  }

  async function askOne(endpoint: Endpoint): Promise<Address> {
    const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]
    const reply = await ask(endpoint, command, ANSWER_MS)
    if (!Array.isArray(reply) || reply.length < 2) throw new RedisFailure('sentinel')
    return { host: String(reply[0]), port: Number(reply[1]) }
  }

  // Any of them will do; the next one at every attempt. What it misses shows in failing probes.
  const watcher = createConnection(
    () => {
      const all = endpoints()
      const endpoint = all[watched++ % all.length]
      if (endpoint === undefined) throw new RedisFailure('sentinel')
      return endpoint
    },
    { up: () => undefined, failed: () => undefined },
  )
  watcher
    .subscribe(SWITCHED, (message) => {
      if (message.toString().split(' ')[0] !== master) return
      for (const listener of listeners) listener()
    })
    .catch(() => undefined) // not connected yet: nothing to fail

  return {
    locate,
    onSwitch: (listener) => void listeners.push(listener),
    close: () => watcher.close(),
  }
}
