import { setTimeout as sleep } from 'node:timers/promises'

export interface EventuallyOptions {
  timeoutMs?: number
  intervalMs?: number
  /** What is waited for; names the failure. */
  what?: string
}

/**
 * Calls `attempt` until it returns something truthy without throwing, and returns that. Only for what
 * announces itself by no event: another process's state, a metric.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, intervalMs = 25, what = 'the condition' } = options
  const deadline = Date.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      last = await attempt()
      if (last) return last as NonNullable<T>
    } catch (error) {
      last = error
    }
    if (Date.now() >= deadline) {
      throw new Error(`${what} did not come about within ${timeoutMs} ms`, { cause: last })
    }
    await sleep(intervalMs)
  }
}
