import { NOW } from './now.ts'
import { script } from './scripts.ts'

/**
 * Values are strings `<fresh until> <text>`, times in ms of Redis' clock; they expire when they are no
 * longer to be served. A claim is a string that holds the claimant. Both share a hash tag.
 */
/** KEYS value, claim. ARGV claimant, lease (ms). Returns { text, fresh, kept, claimed }; kept -1: no value. */
export const lookUpScript = script(
  'cache-look-up',
  `
${NOW}
local value = redis.call('GET', KEYS[1])
local text, fresh, kept = '', 0, -1
if value then
  local till, from = string.match(value, '^(%d+) ()')
  if till then
    text = string.sub(value, from)
    fresh = math.max(0, tonumber(till) - now)
    kept = math.max(fresh, redis.call('PTTL', KEYS[1]))
  end
end
local claimed = fresh == 0 and redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return { text, fresh, kept, claimed and 1 or 0 }`,
)

/** KEYS value, claim. ARGV claimant, fresh (ms), kept (ms), text. Returns 1, or 0 where the claim is gone. */
export const putScript = script(
  'cache-put',
  `
${NOW}
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])) .. ' ' .. ARGV[4], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1`,
)

/** KEYS claim. ARGV claimant, lease (ms), or 0 to end it. Returns whether it was the claimant's. */
export const claimScript = script(
  'cache-renew',
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`,
)
