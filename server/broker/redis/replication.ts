import type { Connection } from './connection.ts'
import { RedisFailure } from './failure.ts'

/**
 * Confirms that what was written before is also on replicas (D1). WAIT blocks its connection, so it
 * has one of its own, and one WAIT serves all appends that finished while the last one was under way.
 * WAIT counts from the last write of its own connection: it is preceded by one, which the replicas
 * receive after everything that was written before.
 */
export interface Replication {
  /**
   * Resolves when the replicas have everything written before this call.
   *
   * @throws RedisFailure `replicas` with `outcomeUnknown`: it is stored, but not where it should be
   */
  confirmed(): Promise<void>
}

export interface ReplicationOptions {
  replicas: number
  /** A key that may be written. */
  key: string
}

/** D7: an outcome is known, or said to be unknown, within 2 s; a turn may follow one that fails as well. */
const WAIT_MS = 700
const DEADLINE_MS = 850

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

export function createReplication(
  connection: Connection,
  { replicas, key }: ReplicationOptions,
): Replication {
  let waiting: Waiter[] = []
  let running = false

  async function wait(): Promise<void> {
    const [, count] = await Promise.all([
      connection.command(['SET', key, '', 'PX', '60000'], DEADLINE_MS),
      connection.command(['WAIT', String(replicas), String(WAIT_MS)], DEADLINE_MS),
    ])
    if (Number(count) < replicas) {
      throw new RedisFailure('replicas', { detail: `${Number(count)} of ${replicas}` })
    }
  }

  async function run(): Promise<void> {
    running = true
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await wait()
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const kind = error instanceof RedisFailure ? error.kind : 'other'
        for (const { reject } of batch) reject(new RedisFailure(kind, { outcomeUnknown: true }))
      }
    }
    running = false
  }

  return {
    confirmed: () =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ resolve, reject })
        if (!running) void run()
      }),
  }
}
