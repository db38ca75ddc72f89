import { hash } from 'node:crypto'
import type {
  Arrival,
  FormerConnection,
  OpenConnection,
  SessionStore,
} from '../../session/sessions.ts'
import type { RedisLink } from './link.ts'
import { NOW } from './now.ts'

/** How long an ended connection may be come back for, ms. */
const TTL = '3600000'
/** How long a connection that nobody saw end is remembered, ms. */
const LIVE_TTL = '604800000'
/** Connections remembered of one session; the oldest go first (D8). */
const MAX_CONNECTIONS = '64'
/** Metrics can wait this long for others that go the same way. */
const GATHER_MS = 20
/** Notes of one call, so that none keeps Redis from others for long. */
const NOTES_PER_CALL = 100
/** A busy Redis is asked again, half a second later each time; an outage loses notes. */
const ATTEMPTS = 3
const AGAIN_MS = 500

/**
 * KEYS records, one for each note. ARGV limits (ended, open, connections), then of each note: what,
 * connection, its age (ms: notes wait to be sent), text. A record is a hash with a field for each
 * connection: `L <at> <instance> <boot>`, then the end that it came back from, if any; or
 * `E <at> <instance> <cause>`, then ` @<its beginning>`, if known. Instances send their notes when they
 * like, so the beginnings tell which of two connections was there first.
 *
 * opened: returns { at, the last end or '', connection, record, … of those that are open }.
 * closed: does nothing for a connection that was taken out of a record that is still there.
 */
const NOTE = `
${NOW}
local ttl, live_ttl, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function opened(key, connection, at, home)
  -- Known already: it is sent again, because the answer was lost, and gets the same one.
  local own = redis.call('HGET', key, connection)
  if own then
    local former = string.match(own, '^L %d+ %S+ %S+ (.+)$')
    if former or string.sub(own, 1, 1) == 'E' then
      return { string.match(own, '^%u (%d+)'), former or '' }
    end
  end
  local all = redis.call('HGETALL', key)
  local open, last, last_at, oldest, oldest_at = {}, nil, -1, nil, math.huge
  for i = 1, #all, 2 do
    local state, noted = string.match(all[i + 1], '^(%u) (%d+) ')
    noted = tonumber(noted)
    local begun = state == 'L' and noted or tonumber(string.match(all[i + 1], ' @(%d+)$') or 0)
    if state == 'E' and at - noted > ttl then
      redis.call('HDEL', key, all[i])
    else
      if begun <= at then
        if state == 'E' and noted > last_at then last, last_at = i, noted end
        if state == 'L' and all[i] ~= connection then open[#open + 1] = { begun, all[i], all[i + 1] } end
      end
      if noted < oldest_at then oldest, oldest_at = i, noted end
    end
  end
  -- Ages are rounded: nobody comes back before the end that is found.
  at = math.max(at, last_at)
  local reply = { string.format('%.0f', at), '' }
  if last then
    reply[2] = all[last + 1]
    redis.call('HDEL', key, all[last])
  else
    table.sort(open, function(a, b) return a[1] < b[1] end)
    for i = 1, math.min(#open, 16) do
      reply[#reply + 1] = open[i][2]
      reply[#reply + 1] = open[i][3]
    end
    if oldest and #all / 2 >= most then redis.call('HDEL', key, all[oldest]) end
  end
  if last then home = home .. ' ' .. all[last + 1] end
  redis.call('HSET', key, connection, string.format('L %.0f ', at) .. home)
  redis.call('PEXPIRE', key, live_ttl)
  return reply
end

local function closed(key, connection, at, text)
  local size = redis.call('HLEN', key)
  local own = redis.call('HGET', key, connection)
  if size > 0 and not own then return '' end
  local begun = own and (string.match(own, '^L (%d+)') or string.match(own, ' @(%d+)$'))
  if begun then text = text .. ' @' .. begun end
  redis.call('HSET', key, connection, string.format('E %.0f ', at) .. text)
  redis.call('PEXPIRE', key, size > 1 and live_ttl or ttl)
  return ''
end

local replies = {}
for i, key in ipairs(KEYS) do
  local a = i * 4
  local what, connection, at, text = ARGV[a], ARGV[a + 1], now - tonumber(ARGV[a + 2]), ARGV[a + 3]
  if what == 'opened' then
    replies[i] = opened(key, connection, at, text)
  elseif what == 'closed' then
    replies[i] = closed(key, connection, at, text)
  else
    replies[i] = redis.call('HGET', key, connection)
    if what == 'take' then redis.call('HDEL', key, connection) end
  end
end
return replies`

interface Note {
  key: string
  /** Notes with the same one may go into the same call. */
  group: string
  what: 'opened' | 'closed' | 'look' | 'take'
  connection: string
  text: string
  /** For its age when it is sent. */
  made: number
  resolve(reply: unknown): void
  reject(error: unknown): void
}

/**
 * Keys hold a hash, since a session is a secret. Notes go out in the order they were made, those of
 * some ms together: a call of its own for each connection was a tenth of what accepting one costs.
 */
export function createRedisSessions(link: RedisLink, keyPrefix: string): SessionStore {
  const notes: Note[] = []
  let timer: NodeJS.Timeout | undefined
  let ending = false

  function send(): void {
    clearTimeout(timer)
    timer = undefined
    ending = false
    for (const group of new Set(notes.map((note) => note.group))) {
      const batch = notes.filter((note) => note.group === group)
      while (batch.length > 0) void call(batch.splice(0, NOTES_PER_CALL))
    }
    notes.length = 0
  }

  async function call(batch: readonly Note[], attempt = 1): Promise<void> {
    const keys = batch.map(({ key }) => key)
    const now = performance.now()
    const args = batch.flatMap(({ what, connection, text, made }) => [
      ...[what, connection, String(Math.round(now - made)), text],
    ])
    try {
      const limits = [TTL, LIVE_TTL, MAX_CONNECTIONS]
      // EVAL, as for presence: so that Redis counts it apart from messages.
      const call = ['EVAL', NOTE, String(keys.length), ...keys, ...limits, ...args]
      const replies = (await link.command(call)) as unknown[]
      for (const [index, note] of batch.entries()) note.resolve(replies[index])
    } catch (error) {
      if (attempt < ATTEMPTS) {
        setTimeout(() => void call(batch, attempt + 1), attempt * AGAIN_MS).unref()
        return
      }
      for (const note of batch) note.reject(error)
    }
  }

  function note(
    what: Note['what'],
    session: string,
    connection: string,
    text = '',
  ): Promise<unknown> {
    const name = hash('sha256', session, 'base64url')
    // On a cluster the keys of one call share a slot: a few slots, so that calls stay few.
    const group = link.sharded ? String(name.charCodeAt(0) % 16) : ''
    const key = `${keyPrefix}:${link.sharded ? `{seen-${group}}` : 'seen'}:${name}`
    const made = performance.now()
    return new Promise((resolve, reject) => {
      notes.push({ key, group, what, connection, text, made, resolve, reject })
      if (what !== 'closed') timer ??= setTimeout(send, GATHER_MS)
      // At the end of this turn: it may be the last thing that this process does.
      else if (!ending) setImmediate(send)
      if (what === 'closed') ending = true
    })
  }

  return {
    opened: (session, connection, { instance, boot }) =>
      note('opened', session, connection, `${instance} ${boot}`).then(arrival),
    async closed(session, connection, { instance }, cause) {
      await note('closed', session, connection, `${instance} ${cause}`)
    },
    look: async (session, connection) => former(await note('look', session, connection)),
    take: async (session, connection) => former(await note('take', session, connection)),
  }
}

function arrival(reply: unknown): Arrival {
  const [at, last, ...rest] = reply as string[]
  const open: OpenConnection[] = []
  for (let index = 0; index + 1 < rest.length; index += 2) {
    const record = parse(rest[index + 1])
    if (record === undefined) continue
    const [boot = ''] = record.tail.split(' ')
    open.push({ connection: String(rest[index]), instance: record.instance, boot })
  }
  return { at: Number(at), former: former(last), open }
}

function former(record: unknown): FormerConnection | undefined {
  const parsed = parse(record)
  if (parsed === undefined) return undefined
  const { instance, at, ended, tail } = parsed
  return { instance, at, cause: ended ? tail : undefined }
}

function parse(record: unknown) {
  const match = /^([LE]) (\d+) (\S+) (.*?)(?: @\d+)?$/.exec(String(record ?? ''))
  if (match === null) return undefined
  const [, state, at, instance = '', tail = ''] = match
  return { ended: state === 'E', at: Number(at), instance, tail }
}
