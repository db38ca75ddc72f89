import type { Claiming, ClaimStore } from '../../rooms/claims.ts'
import { roomKeys } from './keys.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'
import { rethrowWrite } from './store-errors.ts'

/**
 * KEYS claim, a string `-<holder>`, or `+<holder>` once done. ARGV holder, lease (ms), done.
 * Returns { won, done, remaining }.
 */
const claimScript = script(
  'claim',
  `
local held = redis.call('GET', KEYS[1])
local done = held and string.sub(held, 1, 1) == '+'
if held and string.sub(held, 2) ~= ARGV[1] then
  return { '0', done and '1' or '0', redis.call('PTTL', KEYS[1]) }
end
done = done or ARGV[3] == '1'
redis.call('SET', KEYS[1], (done and '+' or '-') .. ARGV[1], 'PX', ARGV[2])
return { '1', done and '1' or '0', ARGV[2] }`,
)

/** KEYS claim. ARGV holder. Returns { released }. */
const releaseScript = script(
  'release',
  `
if redis.call('GET', KEYS[1]) ~= '-' .. ARGV[1] then return { 0 } end
return { redis.call('DEL', KEYS[1]) }`,
)

/** One key for each claim, beside the room's others; it expires with its lease. */
export function createRedisClaims(link: RedisLink, keyPrefix: string): ClaimStore {
  const keyOf = ({ room, group, id }: Pick<Claiming, 'room' | 'group' | 'id'>) =>
    roomKeys(keyPrefix, room).claim(group, id)
  return {
    async claim(claim) {
      const args = [claim.holder, String(claim.leaseMs), claim.done ? '1' : '0']
      const keys = [keyOf(claim)]
      const reply = await callScript(link.command, claimScript, keys, args).catch(rethrowWrite)
      const [won, done, remaining] = reply.map(String)
      return {
        won: won === '1',
        done: done === '1',
        remainingMs: Math.max(0, Number(remaining)),
      }
    },
    async release(claim) {
      const keys = [keyOf(claim)]
      const [released] = await callScript(link.command, releaseScript, keys, [claim.holder]).catch(
        rethrowWrite,
      )
      return Number(released) === 1
    },
  }
}
