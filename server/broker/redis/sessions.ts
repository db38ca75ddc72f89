import { hash } from 'node:crypto'
import type { FormerConnection, SessionStore } from '../../session/sessions.ts'
import type { RedisLink } from './link.ts'
import { callScript } from './script-call.ts'
import { script } from './scripts.ts'

/** How long an ended session's next connection counts as a reconnection, ms. */
const TTL = '3600000'
/** How long a connection that nobody saw end is remembered, ms. */
const LIVE_TTL = '86400000'
/** Metrics can wait this long for others that go the same way. */
const GATHER_MS = 20
/** Notes of one call, so that none keeps Redis from others for long. */
const NOTES_PER_CALL = 100

/**
 * KEYS records. ARGV of each: opened or closed, connection, value, TTL (ms). An end is written only over
 * the same connection's record. Returns what the records were.
 */
const NOTE = script(
  'note',
  `
local formers = {}
for i, key in ipairs(KEYS) do
  local a = i * 4
  local former = redis.call('GET', key)
  local mine = ARGV[a - 2] .. ' '
  if ARGV[a - 3] == 'opened' or (former and string.sub(former, 1, #mine) == mine) then
    redis.call('SET', key, ARGV[a - 1], 'PX', ARGV[a])
  end
  formers[i] = former
end
return formers`,
)

interface Note {
  key: string
  /** Notes with the same one may go into the same call. */
  group: string
  args: readonly [kind: 'opened' | 'closed', connection: string, value: string, ttl: string]
  resolve(former: unknown): void
  reject(error: unknown): void
}

/**
 * Records are `<connection> <at> <instance> <cause>`; keys hold a hash, since a session is a secret.
 * Notes go out in the order they were made, those of some ms together: a call of its own for each
 * connection was a tenth of what accepting one costs.
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

  async function call(batch: readonly Note[]): Promise<void> {
    const keys = batch.map(({ key }) => key)
    const args = batch.flatMap((note) => note.args)
    try {
      const formers = await callScript(link.command, NOTE, keys, args)
      for (const [index, note] of batch.entries()) note.resolve(formers[index])
    } catch (error) {
      for (const note of batch) note.reject(error)
    }
  }

  function note(session: string, ...args: Note['args']): Promise<unknown> {
    const name = hash('sha256', session, 'base64url')
    // On a cluster the keys of one call share a slot: a few slots, so that calls stay few.
    const group = link.sharded ? String(name.charCodeAt(0) % 16) : ''
    const key = `${keyPrefix}:${link.sharded ? `{session-${group}}` : 'session'}:${name}`
    return new Promise((resolve, reject) => notes.push({ key, group, args, resolve, reject }))
  }

  return {
    opened(session, connection, instance) {
      const record = `${connection} ${Date.now()} ${instance} `
      timer ??= setTimeout(send, GATHER_MS)
      return note(session, 'opened', connection, record, LIVE_TTL).then(parse)
    },
    async closed(session, connection, instance, cause) {
      const record = `${connection} ${Date.now()} ${instance} ${cause}`
      // At the end of this turn: it may be the last thing that this process does.
      if (!ending) setImmediate(send)
      ending = true
      await note(session, 'closed', connection, record, TTL)
    },
  }
}

function parse(record: unknown): FormerConnection | undefined {
  if (typeof record !== 'string') return undefined
  const match = /^\S+ (\d+) (\S+) (.*)$/.exec(record)
  if (match === null) return undefined
  const [, at, instance = '', cause = ''] = match
  return { instance, at: Number(at), cause: cause === '' ? undefined : cause }
}
