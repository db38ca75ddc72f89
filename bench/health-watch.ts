import { get } from 'node:http'
import type { Scope } from '../tests/support/scope.ts'

/** What a liveness probe saw. */
export interface HealthRecord {
  asked: number
  /** No answer within the limit, or not a success. */
  failed: number
  /** Of those answered, ms. */
  slowest: number
}

/** Asks every instance's `/health/live` on a connection of its own each time, as a probe does. */
export function watchHealth(
  scope: Scope,
  instances: readonly { host: string; port: number }[],
  options: { everyMs: number; limitMs: number },
): () => HealthRecord {
  const record: HealthRecord = { asked: 0, failed: 0, slowest: 0 }

  function ask({ host, port }: { host: string; port: number }): void {
    const started = performance.now()
    record.asked += 1
    const request = get(
      { host, port, path: '/health/live', agent: false, timeout: options.limitMs },
      (response) => {
        response.resume()
        if (response.statusCode === 200) {
          record.slowest = Math.max(record.slowest, performance.now() - started)
        } else record.failed += 1
      },
    )
    request.once('timeout', () => request.destroy(new Error('too late')))
    request.once('error', () => {
      record.failed += 1
    })
  }

  const timer = setInterval(() => {
    for (const instance of instances) ask(instance)
  }, options.everyMs)
  scope.defer(() => clearInterval(timer))
  return () => {
    clearInterval(timer)
    return { ...record }
  }
}
