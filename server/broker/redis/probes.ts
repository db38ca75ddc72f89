import { randomUUID } from 'node:crypto'
import { appendScript } from './append-script.ts'
import { claimScript, lookUpScript, putScript } from './cache-scripts.ts'
import { RedisFailure } from './failure.ts'
import { roomKeys } from './keys.ts'
import { type Right, rightsFor } from './rights.ts'
import { checkRights } from './rights-check.ts'
import { type Command, callScript } from './script-call.ts'
import { roomScripts } from './scripts.ts'

/** How a role proves that its Redis does what the role needs, with every right that takes. */
export interface Probe {
  /** The hash tag of its keys. */
  readonly tag: string
  /** Where the nonce is published; undefined for a role that receives nothing. */
  readonly channel: string | undefined
  /**
   * Rejects with the failure of whatever does not work. Resolves to whether Redis still has what the
   * probe before left there: if not, it lost data, and perhaps nobody's connection with it.
   *
   * @param thorough every right there is, also those that are needed seldom; asked for once after
   *   every connect, and while a right is missing
   */
  run(command: Command, nonce: string, thorough: boolean): Promise<boolean>
}

export interface ProbeOptions {
  /** What is tried when it has to be thorough. */
  rights: readonly Right[]
  /** Told of optional rights that are missing, each time they were tried. */
  limited?: (missing: readonly Right[]) => void
}

const TTL_MS = 10_000
const TTL = String(TTL_MS)

/** A cache is written and read, and instances tell each other what they removed. */
export function createCacheProbe(
  keyPrefix: string,
  tag?: string,
  { rights, limited }: ProbeOptions = {
    rights: rightsFor({ roles: ['cache'], cluster: tag !== undefined }),
  },
): Probe {
  const hashTag = tag ?? 'probe'
  const own = `${keyPrefix}:{${hashTag}}:${randomUUID()}`
  const channel = `${own}:nonce`
  return {
    tag: hashTag,
    channel,
    async run(command, nonce, thorough) {
      if (thorough) {
        const missing = await checkRights(command, rights, keyPrefix)
        limited?.(missing)
      }
      const work: Promise<unknown>[] = [
        command(['SET', own, nonce, 'PX', TTL]),
        command(['GET', own]),
        command([tag === undefined ? 'PUBLISH' : 'SPUBLISH', channel, nonce]),
      ]
      if (thorough) {
        const both = [own, `${own}:claim`]
        work.push(
          callScript(command, lookUpScript, both, [nonce, TTL]),
          callScript(command, putScript, both, [nonce, '1', TTL, '0']),
          callScript(command, claimScript, [`${own}:claim`], [nonce, '0']),
          command(['DEL', `${own}:claim`]),
        )
      }
      await Promise.all(work)
      return true // a cache may lose what it likes
    },
  }
}

/** A node of a cluster that serves no slot yet; `serves` says when it does, and needs another probe. */
export function createIdleProbe(serves: () => boolean): Probe {
  return {
    tag: '',
    channel: undefined,
    async run(command) {
      await command(['TIME']) // PING is a right of its own
      if (serves()) throw new RedisFailure('cluster', { redirection: { type: 'later' } })
      return true
    },
  }
}

/**
 * The room scripts run on a room of the probe's own, so that a right that one of them lacks shows
 * before the first message does. PUBLISH goes by itself: inside a script its failure is ignored.
 *
 * @param tag where its keys are on a cluster
 */
export function createRoomsProbe(
  keyPrefix: string,
  tag?: string,
  { rights, limited }: ProbeOptions = {
    rights: rightsFor({ roles: ['rooms'], cluster: tag !== undefined }),
  },
): Probe {
  const sharded = tag !== undefined
  const { read, renew } = roomScripts(sharded)
  const append = appendScript(sharded, { logMax: 1, logTtlMs: TTL_MS, dedupWindowMs: TTL_MS })
  const hashTag = tag ?? probeTag()
  const keys = roomKeys(keyPrefix, '', hashTag)
  const room = [keys.meta, keys.log]
  let left = { epoch: '', offset: 0 }

  return {
    tag: hashTag,
    channel: `${keys.channel}:nonce`,
    async run(command, nonce, thorough) {
      if (thorough) {
        const missing = await checkRights(command, rights, keyPrefix)
        limited?.(missing)
      }
      const epoch = nonce
      const appending = [keys.channel, epoch, '', '{}']
      const appended = callScript(command, append, [...room, keys.dedup('', nonce)], appending)
      const work: Promise<unknown>[] = [
        appended,
        command([sharded ? 'SPUBLISH' : 'PUBLISH', `${keys.channel}:nonce`, nonce]),
      ]
      if (thorough) {
        const none = ['', '', '0']
        const reading = (kind: string) => [
          ...[epoch, TTL, TTL, kind, '1', '1', '0'],
          ...[...none, keys.channel],
        ]
        work.push(
          callScript(command, read, room, reading('last')),
          callScript(command, renew, room, [keys.channel, epoch, '', TTL, TTL]),
          callScript(command, read, room, reading('after')),
        )
      }
      await Promise.all(work)
      const [place, offset] = await appended
      const before = left
      left = { epoch: String(place), offset: Number(offset) }
      // As for every room: another epoch, or an offset that was there before, is another history.
      return before.epoch === '' || (left.epoch === before.epoch && left.offset > before.offset)
    },
  }
}

/** No room is called like this: `%` is encoded in the names of rooms. */
export function probeTag(): string {
  return `%probe-${randomUUID()}`
}
