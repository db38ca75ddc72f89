import { randomFillSync } from 'node:crypto'

const EPOCH_BYTES = 9
const POOL_BYTES = 512 * EPOCH_BYTES

/**
 * Makes names of epochs: 72 random bits, 12 characters. Every call that might begin a room's history
 * takes a candidate along, most of them in vain, so random bytes are drawn many at a time: one by one
 * they were 9 % of what a send costs.
 */
export function createEpochs(): () => string {
  const pool = Buffer.alloc(POOL_BYTES)
  let used = POOL_BYTES
  return () => {
    if (used === POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    used += EPOCH_BYTES
    return pool.toString('base64url', used - EPOCH_BYTES, used)
  }
}
