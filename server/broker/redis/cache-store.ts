import { hash } from 'node:crypto'
import type { CacheStore, Found } from '../../cache/store.ts'
import { claimScript, lookUpScript, putScript } from './cache-scripts.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import type { Script } from './scripts.ts'

/** Where a cached value lives. Keys that are long, or that a hash tag cannot hold, are known by their hash. */
function cacheKeys(prefix: string, key: string): { value: string; claim: string } {
  const tag = /^[\w.:/@+=,~-]{1,200}$/.test(key) ? key : `#${hash('sha256', key, 'base64url')}`
  return { value: `${prefix}:cache:{${tag}}`, claim: `${prefix}:cache:{${tag}}:claim` }
}

/** The second level of the cache, in the Redis of a link. */
export function createRedisCacheStore(link: RedisLink, keyPrefix: string): CacheStore {
  const channel = `${keyPrefix}:cache:removed`
  const run = async (command: Script, keys: string[], args: string[]): Promise<unknown> =>
    callScript(link.command, command, keys, args)

  return {
    async lookUp(key, claimant, leaseMs): Promise<Found> {
      const { value, claim } = cacheKeys(keyPrefix, key)
      const reply = (await run(
        lookUpScript,
        [value, claim],
        [claimant, String(leaseMs)],
      )) as unknown[]
      const [text, fresh, kept, claimed] = reply
      return {
        value: Number(kept) < 0 ? undefined : String(text),
        freshMs: Number(fresh),
        keptMs: Math.max(0, Number(kept)),
        claimed: Number(claimed) === 1,
      }
    },
    async renew(key, claimant, leaseMs) {
      const { claim } = cacheKeys(keyPrefix, key)
      return Number(await run(claimScript, [claim], [claimant, String(leaseMs)])) === 1
    },
    async put(key, claimant, text, { ttlMs, staleMs }) {
      const { value, claim } = cacheKeys(keyPrefix, key)
      const times = [Math.ceil(ttlMs), Math.max(1, Math.ceil(ttlMs + staleMs))].map(String)
      return Number(await run(putScript, [value, claim], [claimant, ...times, text])) === 1
    },
    async release(key, claimant) {
      const { claim } = cacheKeys(keyPrefix, key)
      await run(claimScript, [claim], [claimant, '0'])
    },
    async remove(key) {
      const { value, claim } = cacheKeys(keyPrefix, key)
      await link.command(['DEL', value, claim])
      await link.command([link.sharded ? 'SPUBLISH' : 'PUBLISH', channel, key])
    },
    onRemoved(listener) {
      // Removals may have been missed while the subscription was away.
      link.onRestored(() => listener(undefined))
      // What fails is part of what the next connection subscribes to; the probe tells of it.
      link.subscribe(channel, (key) => listener(key.toString())).catch(() => undefined)
    },
  }
}
