import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { GatewayError } from '../errors.ts'
import type { Rate } from './rates.ts'

/** Bounds what one backend asks of this instance, by the name of its keys. */
export interface KeyLimit {
  /** @throws GatewayError RATE_LIMITED with `retryAfterMs` */
  spend(name: string): Promise<void>
}

export function createKeyLimit({ count, perMs }: Rate): KeyLimit {
  const limiter = new RateLimiterMemory({ points: count, duration: perMs / 1000, keyPrefix: '' })
  return {
    async spend(name) {
      try {
        await limiter.consume(name)
      } catch (thrown) {
        const message = `more than ${count} requests in ${perMs / 1000} s of one API key`
        const retryAfterMs = Math.max(1, (thrown as RateLimiterRes).msBeforeNext)
        throw new GatewayError('RATE_LIMITED', message, { retryAfterMs })
      }
    },
  }
}
