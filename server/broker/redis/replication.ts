import { RedisFailure } from './failure.ts'
import type { Dedicated } from './link.ts'

/**
 * Confirms that what was written before is also on replicas (D1). WAIT blocks its connection, so it
 * has one of its own, and one WAIT serves all appends that finished while the last one was under way.
 * WAIT counts from the last write of its own connection: it is preceded by one, which the replicas
 * receive after everything that was written before.
 */
export interface Replication {
  /**
   * Resolves when the replicas of a key's primary have everything written there before this call.
   *
   * @throws RedisFailure `replicas` with `outcomeUnknown`: it is stored, but not where it should be
   */
  confirmed(key: string): Promise<void>
}

export interface ReplicationOptions {
  replicas: number
  /** A key that may be written, by its hash tag. */
  key: (tag: string) => string
}

/** D7: an outcome is known, or said to be unknown, within 2 s; a turn may follow one that fails as well. */
const WAIT_MS = 700
const DEADLINE_MS = 850

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

interface Queue {
  waiting: Waiter[]
  running: boolean
}

/** @param serving which server a key is on */
export function createReplication(
  serving: (key: string) => Dedicated | undefined,
  { replicas, key }: ReplicationOptions,
): Replication {
  const queues = new WeakMap<Dedicated, Queue>()

  async function wait({ connection, tag }: Dedicated): Promise<void> {
    const [, count] = await Promise.all([
      connection.command(['SET', key(tag), '', 'PX', '60000'], DEADLINE_MS),
      connection.command(['WAIT', String(replicas), String(WAIT_MS)], DEADLINE_MS),
    ])
    if (Number(count) < replicas) {
      throw new RedisFailure('replicas', { detail: `${Number(count)} of ${replicas}` })
    }
  }

  async function run(server: Dedicated, queue: Queue): Promise<void> {
    queue.running = true
    while (queue.waiting.length > 0) {
      const batch = queue.waiting
      queue.waiting = []
      try {
        await wait(server)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const kind = error instanceof RedisFailure ? error.kind : 'other'
        for (const { reject } of batch) reject(new RedisFailure(kind, { outcomeUnknown: true }))
      }
    }
    queue.running = false
  }

  function queueOf(server: Dedicated): Queue {
    const queue = queues.get(server) ?? { waiting: [], running: false }
    queues.set(server, queue)
    return queue
  }

  return {
    async confirmed(of) {
      const server = serving(of)
      if (server === undefined) throw new RedisFailure('closed', { outcomeUnknown: true })
      const queue = queueOf(server)
      await new Promise<void>((resolve, reject) => {
        queue.waiting.push({ resolve, reject })
        if (!queue.running) void run(server, queue)
      })
    },
  }
}
