import { createHash } from 'node:crypto'
import { NOW } from './now.ts'

/**
 * The room scripts. Each is one atomic step on one room, whose keys share a hash tag:
 *
 *   meta   hash   e: epoch, o: offset of the last message, a: its `at`, b: when this history began, which
 *                 a renewed epoch goes on with
 *   log    stream id `<offset>-<at>`, fields m: content, p: `at` of the entry before
 *   dedup  string `epoch:offset:at:instance`, one per (sender, id)
 *   said   the same, one per (sender, digest of the body), where the content window is on
 *   labels sorted set by offset, `offset:at:labels`
 *
 * A script reads all it needs, decides, then writes; XADD goes first because it is the only write
 * that may fail (out of memory), and a failed script must leave nothing behind. PUBLISH goes last and
 * may fail (a user without the channel): the message is stored, and position checks deliver it.
 *
 * Frames: `m<epoch>:<offset>:<at>:<prevAt>:<content>` for a message, and a further line of content for
 * each that follows it at the same time; `e<epoch>:<offset>:<at>` for a new epoch;
 * `l<epoch>:<offset>:<at>:<labels>` for a message's labels.
 */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

/** For every script of a room. */
export const LOAD = `
local function load(meta)
  local found = redis.call('HMGET', meta, 'e', 'o', 'a')
  if not (found[1] and found[2] and found[3]) then return nil end
  return found[1], tonumber(found[2]), found[3]
end
-- Offsets and times pass 2^31 but not 2^53: %d would do on 64 bit, %.0f does everywhere.
local function int(n) return string.format('%.0f', n) end
local function at_of(id) return string.sub(id, string.find(id, '-', 1, true) + 1) end
`

/** No meta: whatever stream is left belongs to a history nobody can verify; a new epoch begins. */
const LOAD_OR_BEGIN = `${LOAD}
local function begin(meta, log, epoch, channel)
  redis.call('UNLINK', log)
  ${NOW}
  redis.call('HSET', meta, 'e', epoch, 'o', '0', 'a', '0', 'b', int(now))
  redis.pcall('PUBLISH', channel, 'e' .. epoch .. ':0:0')
  return epoch, 0, '0'
end
`

/**
 * KEYS meta, log. ARGV candidate epoch, log TTL, meta TTL, kind (last|before|after|resume), limit,
 * byte limit, offset, epoch, at ('' if not claimed), orLast, channel.
 * Returns { epoch, offset, at, continuity, id, content, prevAt, id, content, prevAt, … } ascending.
 */
const READ = `
local meta, log = KEYS[1], KEYS[2]
local kind, limit, max_bytes = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local epoch, tail, tail_at = load(meta)
if not epoch then epoch, tail, tail_at = begin(meta, log, ARGV[1], ARGV[11]) end
redis.call('PEXPIRE', log, ARGV[2])
-- One that was only asked about is soon forgotten (D8); those in use are read every minute.
local kept = tonumber(ARGV[3])
redis.call('PEXPIRE', meta, int(tail > 0 and kept or math.min(kept, 3600000)))
local reply = { epoch, int(tail), tail_at, 'whole' }

local function field(entry, name)
  local fields = entry[2]
  for i = 1, #fields, 2 do if fields[i] == name then return fields[i + 1] end end
  return ''
end
-- The newest entries up to 'high', as many as fit, appended in ascending order. A stream that was
-- restored or edited may go on past the tail: that belongs to no history.
local function newest(high, count)
  if count < 1 then return end
  local entries, bytes, kept = redis.call('XREVRANGE', log, high, '-', 'COUNT', count), 0, 0
  for i = 1, #entries do
    bytes = bytes + #field(entries[i], 'm')
    if i > 1 and bytes > max_bytes then break end
    kept = i
  end
  for i = kept, 1, -1 do
    reply[#reply + 1] = entries[i][1]
    reply[#reply + 1] = field(entries[i], 'm')
    reply[#reply + 1] = field(entries[i], 'p')
  end
end

if kind == 'last' then
  newest(int(tail), limit)
  return reply
end
local offset = tonumber(ARGV[7])
if kind == 'before' then
  if offset > 1 then newest(int(math.min(offset - 1, tail)), limit) end
  return reply
end

-- after, resume: is the claimed place part of this history, and is everything since still here?
local function continuity()
  if ARGV[8] ~= epoch then return 'foreign' end
  if offset > tail then return 'broken' end
  local at
  if offset == 0 then at = '0'
  elseif offset == tail then at = tail_at
  else
    local entry = redis.call('XRANGE', log, int(offset), int(offset))[1]
    if entry then at = at_of(entry[1]) end
  end
  if offset < tail then
    local following = redis.call('XRANGE', log, int(offset + 1), int(offset + 1))[1]
    if not following then return 'trimmed' end
    at = at or field(following, 'p')
  end
  if offset > 0 and ARGV[9] ~= '' and ARGV[9] ~= at then return 'broken' end
  return 'whole'
end
local found = continuity()
reply[4] = found
if found == 'whole' and offset < tail and limit > 0 then
  local resume, bytes = kind == 'resume', 0
  if not resume or tail - offset <= limit then
    local entries = redis.call('XRANGE', log, int(offset + 1), int(tail), 'COUNT', limit)
    -- Entries may be lost anywhere; a fill checks link by link, a resume has only their number.
    local fits = not resume or #entries == tail - offset
    for i = 1, #entries do
      bytes = bytes + #field(entries[i], 'm')
      if i > 1 and bytes > max_bytes then fits = false break end
      reply[#reply + 1] = entries[i][1]
      reply[#reply + 1] = field(entries[i], 'm')
      reply[#reply + 1] = field(entries[i], 'p')
    end
    if fits or not resume then return reply end
    reply = { epoch, int(tail), tail_at, 'trimmed' }
  else
    reply[4] = 'trimmed' -- more than a resume may bring
  end
end
if kind == 'resume' and reply[4] ~= 'whole' then newest(int(tail), tonumber(ARGV[10])) end
return reply
`

/** The same with KEYS[3] labels: returns { what READ does, the labels of its entries }. */
const READ_LABELLED = `
local function page()
${READ}
end
local reply = page()
if #reply < 5 then return { reply, {} } end
local function offset_of(id) return string.match(id, '^%d+') end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return { reply, redis.call('ZRANGEBYSCORE', KEYS[3], offset_of(reply[5]), offset_of(reply[#reply - 2])) }
`

/**
 * KEYS meta, log, labels. ARGV channel, offset, at, labels, log TTL. Returns 1; or 0, and does nothing,
 * where the log has not that message. Labels go with the messages that the log has trimmed.
 */
const LABEL = `${LOAD_OR_BEGIN}
local meta, log, labels = KEYS[1], KEYS[2], KEYS[3]
local epoch, tail = load(meta)
if not epoch or tonumber(ARGV[2]) > tail then return 0 end
local entry = redis.call('XRANGE', log, ARGV[2], ARGV[2])[1]
if not entry or at_of(entry[1]) ~= ARGV[3] then return 0 end
local place = ARGV[2] .. ':' .. ARGV[3] .. ':'
redis.call('ZREMRANGEBYSCORE', labels, ARGV[2], ARGV[2])
redis.call('ZADD', labels, ARGV[2], place .. ARGV[4])
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', '1')[1]
redis.call('ZREMRANGEBYSCORE', labels, '-inf', '(' .. string.match(first[1], '^%d+'))
redis.call('PEXPIRE', labels, ARGV[5])
redis.pcall('PUBLISH', ARGV[1], 'l' .. epoch .. ':' .. place .. ARGV[4])
return 1
`

/**
 * KEYS meta, log. ARGV channel, candidate epoch, old epoch, log TTL, meta TTL.
 * Returns { epoch, offset, at }. Compare and set: only the first to contradict an epoch ends it.
 */
const RENEW = `${LOAD_OR_BEGIN}
local meta, log = KEYS[1], KEYS[2]
local epoch, tail, tail_at = load(meta)
if not epoch then
  epoch, tail, tail_at = begin(meta, log, ARGV[2], ARGV[1])
elseif epoch == ARGV[3] then
  epoch = ARGV[2]
  redis.call('HSET', meta, 'e', epoch)
  redis.pcall('PUBLISH', ARGV[1], 'e' .. epoch .. ':' .. int(tail) .. ':' .. tail_at)
end
redis.call('PEXPIRE', log, ARGV[4])
redis.call('PEXPIRE', meta, ARGV[5])
return { epoch, int(tail), tail_at }
`

/** KEYS meta, log, labels. ARGV channel, epoch, meta TTL. Returns { epoch, offset, at }. */
const PURGE = `${LOAD_OR_BEGIN}
local epoch, tail, tail_at = begin(KEYS[1], KEYS[2], ARGV[2], ARGV[1])
redis.call('UNLINK', KEYS[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { epoch, int(tail), tail_at }
`

export function script(name: string, source: string): Script {
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}

export interface RoomScripts {
  read: Script
  /** With labels beside the page. */
  readLabelled: Script
  label: Script
  renew: Script
  purge: Script
}

/** @param onCluster frames go to sharded channels */
export function publishing(onCluster: boolean, name: string, source: string): Script {
  return script(name, onCluster ? source.replaceAll("'PUBLISH'", "'SPUBLISH'") : source)
}

function scriptsWith(onCluster: boolean): RoomScripts {
  const made = (name: string, source: string) => publishing(onCluster, name, source)
  return {
    read: made('read', `${LOAD_OR_BEGIN}${READ}`),
    readLabelled: made('read-labelled', `${LOAD_OR_BEGIN}${READ_LABELLED}`),
    label: made('label', LABEL),
    renew: made('renew', RENEW),
    purge: made('purge', PURGE),
  }
}

const plain = scriptsWith(false)
const sharded = scriptsWith(true)

/** @param onCluster frames go to sharded channels */
export function roomScripts(onCluster: boolean): RoomScripts {
  return onCluster ? sharded : plain
}
