import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import {
  EXACT_COUNT,
  type Lease,
  type PresenceChange,
  type PresenceListener,
  type PresenceStore,
  type Present,
} from '../../rooms/presence.ts'
import { roomKeys } from './keys.ts'
import type { RedisLink } from './link.ts'
import { presenceFrame, presenceOfFrame } from './presence-frames.ts'
import { LEASES, readHereScript, writeHere } from './presence-scripts.ts'
import { callScript } from './script-call.ts'
import { rethrowRead, rethrowWrite } from './store-errors.ts'

/** How long a hash outlives its last writing or keeping; who died leaves it behind. */
const TTL = '600000'
/** Users of one call: Redis does nothing else meanwhile. */
const MAX_USERS = 1000
/** Rooms that are kept in one go. */
const KEEP_WIDTH = 100

/** Who is in the rooms of the instances that share a Redis and a key prefix. */
export function createRedisPresence(
  link: RedisLink,
  { keyPrefix, instance }: { keyPrefix: string; instance: string },
): PresenceStore {
  const boot = randomUUID()
  const leasesKey = `${keyPrefix}:{presence}:leases`
  let listener: PresenceListener | undefined

  link.onRestored(() => listener?.restored())

  async function writePart(room: string, change: PresenceChange, frame: string): Promise<void> {
    const keys = roomKeys(keyPrefix, room)
    const reply = await link.command([
      'EVAL',
      writeHere(link.sharded),
      '1',
      keys.here(boot),
      keys.presence,
      TTL,
      change.whole ? '1' : '0',
      frame,
      String(change.gone.length),
      ...change.gone,
      ...change.present.flatMap(({ user, since }) => [user.id, storedOf(user.name, since)]),
    ])
    if (String(reply) !== '') throw refused(reply)
  }

  /** @returns whether the lease was held, boots whose leases ended, and four fields for each other one */
  async function exchange(name: string, renewMs: number | undefined): Promise<string[]> {
    const args = [boot, name, renewMs === undefined ? '' : String(renewMs)]
    // EVAL, as for everything that presence writes: so that Redis counts it apart from messages.
    const reply = (await link.command(['EVAL', LEASES, '1', leasesKey, ...args])) as unknown[]
    const [error, ...rest] = reply.map(String)
    if (error !== '') throw refused(error)
    return rest
  }

  return {
    boot,
    async end(ms) {
      await exchange('', ms).catch(rethrowWrite)
    },
    async leases(renewMs) {
      const [held, ended, ...rest] = await exchange(instance, renewMs).catch(rethrowWrite)
      const others: Lease[] = []
      for (let index = 0; index + 3 < rest.length; index += 4) {
        const [other = '', ageMs, remainingMs, name = ''] = rest.slice(index, index + 4)
        others.push({
          boot: other,
          instance: name,
          ageMs: Number(ageMs),
          remainingMs: Number(remainingMs),
        })
      }
      return { held: held === '1', others, ended: ended === '' ? [] : (ended?.split(' ') ?? []) }
    },

    async write(room, change) {
      const users = Math.max(change.present.length, change.gone.length)
      if (users <= MAX_USERS) {
        return writePart(room, change, presenceFrame(boot, change)).catch(rethrowWrite)
      }
      for (let at = 0; at < users; at += MAX_USERS) {
        const part = {
          whole: change.whole && at === 0,
          present: change.present.slice(at, at + MAX_USERS),
          gone: change.gone.slice(at, at + MAX_USERS),
        }
        await writePart(room, part, presenceFrame(boot, undefined)).catch(rethrowWrite)
      }
    },

    async keep(rooms) {
      const lost: string[] = []
      for (let at = 0; at < rooms.length; at += KEEP_WIDTH) {
        const batch = rooms.slice(at, at + KEEP_WIDTH)
        const kept = await Promise.all(
          batch.map((room) => link.command(['PEXPIRE', roomKeys(keyPrefix, room).here(boot), TTL])),
        ).catch(rethrowWrite)
        lost.push(...batch.filter((_, index) => Number(kept[index]) === 0))
      }
      return lost
    },

    async read(room, boots, { most, some }) {
      const keys = boots.map((each) => roomKeys(keyPrefix, room).here(each))
      const args = [String(most), String(some), String(EXACT_COUNT)]
      const [whole, count, ...users] = await callScript(
        link.command,
        readHereScript,
        keys,
        args,
      ).catch(rethrowRead)
      return {
        whole: String(whole) === '1',
        count: Number(count),
        users: boots.flatMap((each, index) => {
          const present = presentOf(users[index])
          return present.length === 0 ? [] : [{ boot: each, present }]
        }),
      }
    },

    async subscribe(room) {
      const { presence } = roomKeys(keyPrefix, room)
      await link
        .subscribe(presence, (message) => {
          const frame = presenceOfFrame(message)
          if (frame === undefined) return
          if (frame.change === undefined) listener?.unclear(room)
          else listener?.changed(room, frame.boot, frame.change)
        })
        .catch(rethrowRead)
    },
    async unsubscribe(room) {
      await link.unsubscribe(roomKeys(keyPrefix, room).presence).catch(rethrowRead)
    },
    listen(own) {
      listener = own
    },
  }
}

/** Redis refused a command within a script, which the link is not told of. */
function refused(reply: unknown): GatewayError {
  return new GatewayError('UNAVAILABLE', 'presence cannot be written or read', { cause: reply })
}

function storedOf(name: string | undefined, since: number): string {
  return name === undefined ? String(since) : `${since} ${name}`
}

function presentOf(reply: unknown): Present[] {
  const fields = Array.isArray(reply) ? reply.map(String) : []
  const present: Present[] = []
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [, since, name] = /^(\d{1,16})(?: ([\s\S]*))?$/.exec(fields[index + 1] ?? '') ?? []
    const id = fields[index]
    if (id === undefined || since === undefined) continue
    present.push({ user: name === undefined ? { id } : { id, name }, since: Number(since) })
  }
  return present
}
