import { type Address, ask, type Endpoint } from './client.ts'
import { createConnection } from './connection.ts'
import { asRedisFailure, type FailureKind, RedisFailure } from './failure.ts'
import { nameOf } from './slots.ts'

/** Which server is the primary now, by Sentinels that watch it. */
export interface Sentinels {
  /**
   * What most Sentinels say: one that is cut off from the others may know of no change. The answer may
   * be old: whoever connects there proves it by writing.
   *
   * @throws RedisFailure the most telling of their failures
   */
  locate(): Promise<Address>
  /**
   * Calls back when a Sentinel announces another primary, or may have announced one while we could not
   * hear it: the old one may still answer.
   */
  onSwitch(listener: () => void): void
  close(): void
}

/** What Sentinels are asked by: as endpoints, with credentials of their own. */
export interface SentinelsDeps {
  /** The name of the master in their configuration. */
  master: string
  /** Read for each attempt: at least one, always as many. */
  endpoints: () => readonly Endpoint[]
}

/** One that is frozen keeps nobody waiting for longer where the others do not agree. */
const ANSWER_MS = 800
/** Connections that come back together ask once: each question is a connection of its own (3 ms of CPU). */
const ANSWER_HOLDS_MS = 150
const SWITCHED = '+switch-master'
const MOST_TELLING: readonly FailureKind[] = ['wrongpass', 'noauth', 'noperm', 'sentinel', 'tls']

export function createSentinels({ master, endpoints }: SentinelsDeps): Sentinels {
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

  /** As soon as more than half of them agree; when all have answered, what most of them say. */
  function askAll(): Promise<Address> {
    const all = endpoints()
    const votes = new Map<string, { address: Address; count: number }>()
    const failures: RedisFailure[] = []
    return new Promise((resolve, reject) => {
      async function vote(endpoint: Endpoint): Promise<void> {
        try {
          const address = await askOne(endpoint)
          const said = votes.get(nameOf(address)) ?? { address, count: 0 }
          said.count += 1
          votes.set(nameOf(address), said)
          if (said.count * 2 > all.length) resolve(address)
        } catch (error) {
          failures.push(asRedisFailure(error))
        }
      }
      void Promise.all(all.map(vote)).then(() => {
        const [first] = [...votes.values()].sort((a, b) => b.count - a.count)
        if (first === undefined) reject(mostTelling(failures))
        else resolve(first.address)
      })
    })
  }

  async function askOne(endpoint: Endpoint): Promise<Address> {
    const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]
    const reply = await ask(endpoint, command, ANSWER_MS)
    if (!Array.isArray(reply) || reply.length < 2) throw new RedisFailure('sentinel')
    return { host: String(reply[0]), port: Number(reply[1]) }
  }

  function mayHaveSwitched(): void {
    for (const listener of listeners) listener()
  }

  // All of them: the one that is cut off from the others announces nothing.
  const watchers = endpoints().map((_, index) => {
    const watcher = createConnection(
      () => {
        const endpoint = endpoints()[index]
        if (endpoint === undefined) throw new RedisFailure('sentinel')
        return endpoint
      },
      { up: mayHaveSwitched, failed: () => undefined },
    )
    watcher
      .subscribe(SWITCHED, (message) => {
        if (message.toString().split(' ')[0] === master) mayHaveSwitched()
      })
      .catch(() => undefined) // not connected yet: nothing to fail
    return watcher
  })

  return {
    locate,
    onSwitch: (listener) => void listeners.push(listener),
    close() {
      for (const watcher of watchers) watcher.close()
    },
  }
}

function mostTelling(failures: RedisFailure[]): RedisFailure {
  const rank = ({ kind }: RedisFailure) => {
    const index = MOST_TELLING.indexOf(kind)
    return index < 0 ? MOST_TELLING.length : index
  }
  const [worst] = failures.sort((a, b) => rank(a) - rank(b))
  const kind = worst?.kind ?? 'sentinel'
  return kind === 'sentinel'
    ? new RedisFailure(kind)
    : new RedisFailure(kind, { detail: 'asking the Sentinels' })
}
