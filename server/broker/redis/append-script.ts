import type { Retention } from '../retention.ts'
import { NOW } from './now.ts'
import { roomTtls, TTL_SPANS } from './room-ttls.ts'
import { LOAD, publishing, type Script } from './scripts.ts'

/**
 * KEYS meta, log, a dedup key for each message, and, with a content window, a said key for each. ARGV
 * channel, candidate epoch, instance, a content for each message. At most some hundred messages: unpack()
 * and everybody else's patience have limits. What is the same for every message of an instance's life is
 * in the text: as arguments, five more strings to write, to read and to hand to Lua for each call.
 *
 * The messages are taken one after the other, each as if it came alone. One that cannot be added ends
 * that; those before it stand. Returns { epoch, offset, at, taken, error, prevAt, … }: of the
 * first `taken` messages those that are not listed after it were stored, from `offset` on, all at `at`,
 * the first of them after an entry at `prevAt`; listed are repeats, with { number, epoch, offset, at } of
 * where the message is, and why: it came to this instance before (r), to another one (x), or said what
 * another message says (c). Only where nothing was taken the error is the reply.
 */
function appendText(retention: Retention): string {
  const { logMax, dedupWindowMs, contentWindowMs = 0 } = retention
  const { logTtl, metaTtl } = roomTtls(retention)
  return `${LOAD}
local LOG_MAX, LOG_TTL, META_TTL = '${logMax}', '${logTtl}', '${metaTtl}'
local ID_TTL, BODY_TTL = '${dedupWindowMs}', '${contentWindowMs}'
-- Renewing TTLs with every message would be a tenth of this script's time: they are one span longer, and
-- renewed once per span.
local SPAN = ${logTtl} / ${TTL_SPANS}
local meta, log = KEYS[1], KEYS[2]
local count, own = #ARGV - 3, ARGV[3]
local by_content = #KEYS > 2 + count
${NOW}
local epoch, tail, tail_at = load(meta)
-- Never an error, also where a key holds something else: nothing may fail after the first XADD.
local firsts = redis.call('MGET', unpack(KEYS, 3))

local begins = not epoch
if begins then
  epoch, tail, tail_at, firsts = ARGV[2], 0, '0', {}
  -- Only where there is something: after a script's first write Redis no longer minds maxmemory.
  local left = redis.pcall('XREVRANGE', log, '+', '-', 'COUNT', 1)
  if left.err or #left > 0 then redis.call('UNLINK', log) end
end
-- Never back, so that ids within a room ascend in time as well.
local at = int(math.max(now, tonumber(tail_at)))

-- Where the message is that was stored under an id before (D2).
local function stored_before(first)
  if not first then return nil end
  local e, o, a, by = string.match(first, '^(.-):(%d+):(%d+):?(.*)$')
  if not o or tonumber(o) > tail then return nil end
  local entry = redis.call('XRANGE', log, o, o)[1]
  if entry then
    -- The log is the witness: a rollback may have put another message at that offset (D2).
    if at_of(entry[1]) ~= a then return nil end
  elseif e ~= epoch then
    -- Trimmed since. Where the epoch alone was renewed, the history goes on, and it was in it.
    local begun = redis.call('HGET', meta, 'b')
    if not begun or tonumber(a) < tonumber(begun) then return nil end
  end
  return o, a, by == own and 'r' or 'x'
end

-- There is no log yet, or it was lost: what is written now has no TTL.
local fresh = false
local function add(content)
  local id = int(tail + 1) .. '-' .. at
  local added = redis.pcall('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', LOG_MAX, id, 'm', content, 'p', tail_at)
  if not added then
    fresh = true
    added = redis.pcall('XADD', log, id, 'm', content, 'p', tail_at)
  end
  return type(added) == 'table' and added.err
end

local reply = { '', '', at, 0, '', '' }
local offsets, stored, contents, before = {}, {}, {}, nil
for i = 3, count + 2 do
  local key, content = KEYS[i], ARGV[i + 1]
  local said = by_content and KEYS[i + count]
  local o, a, why = offsets[key], at, 'r'
  if not o then o, a, why = stored_before(firsts[i - 2]) end
  if not o and said then
    o, a, why = offsets[said], at, 'c'
    if not o then o, a = stored_before(firsts[i - 2 + count]) end
    -- Acknowledged under this id too: a retry of it is a repeat also after the window (D2).
    if o then redis.pcall('SET', key, epoch .. ':' .. o .. ':' .. a .. ':' .. own, 'PX', ID_TTL) end
  end
  if o then
    for _, value in ipairs({ i - 2, epoch, o, a, why }) do reply[#reply + 1] = value end
  else
    local err = add(content)
    if err and #stored == 0 and string.find(err, 'equal or smaller', 1, true) then
      -- The stream is ahead of its meta (one of them was restored or edited): the history is unverifiable.
      redis.call('UNLINK', log)
      epoch, tail, tail_at, firsts, begins = ARGV[2], 0, '0', {}, true
      err = add(content)
    end
    if err then
      if i == 3 then return redis.error_reply(err) end
      reply[5] = err
      break
    end
    before = before or tail_at
    tail, tail_at = tail + 1, at
    offsets[key] = int(tail)
    stored[#stored + 1], contents[#contents + 1] = key, content
    if said then offsets[said] = int(tail) end
  end
  reply[4] = i - 2
end
if #stored == 0 then return reply end

local offset = offsets[stored[1]]
redis.call('HSET', meta, 'e', epoch, 'o', int(tail), 'a', at)
if begins then redis.call('HSET', meta, 'b', at) end
for _, key in ipairs(stored) do
  redis.call('SET', key, epoch .. ':' .. offsets[key] .. ':' .. at .. ':' .. own, 'PX', ID_TTL)
end
if by_content then
  for i = 3 + count, 2 + 2 * count do
    local first = offsets[KEYS[i]]
    if first then
      redis.pcall('SET', KEYS[i], epoch .. ':' .. first .. ':' .. at .. ':' .. own, 'PX', BODY_TTL)
    end
  end
end
-- Unequal also where a clock was put back: then each message renews them.
if fresh or math.floor(now / SPAN) ~= math.floor(tonumber(before) / SPAN) then
  redis.call('PEXPIRE', log, LOG_TTL)
  redis.call('PEXPIRE', meta, META_TTL)
end
local head = 'm' .. epoch .. ':' .. offset .. ':' .. at .. ':' .. before .. ':'
redis.pcall('PUBLISH', ARGV[1], head .. table.concat(contents, '\\n'))
reply[1], reply[2], reply[6] = epoch, offset, before
return reply
`
}

/** Appends messages to a room; atomic, like every script of a room. @param onCluster frames go to sharded channels */
export function appendScript(onCluster: boolean, retention: Retention): Script {
  return publishing(onCluster, 'append', appendText(retention))
}
