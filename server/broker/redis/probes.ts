import { randomUUID } from 'node:crypto'
import { claimScript, lookUpScript, putScript } from './cache-scripts.ts'
import { roomKeys } from './keys.ts'
import { type Command, callScript } from './script-call.ts'
import { appendScript, readScript, renewScript } from './scripts.ts'

/** How a role proves that its Redis does what the role needs, with every right that takes. */
export interface Probe {
  /** Where the nonce is published; undefined for a role that receives nothing. */
  readonly channel: string | undefined
  /**
   * Rejects with the failure of whatever does not work. Resolves to whether Redis still has what the
   * probe before left there: if not, it lost data, and perhaps nobody's connection with it.
   *
   * @param thorough also what is needed seldom; asked for after every connect
   */
  run(command: Command, nonce: string, thorough: boolean): Promise<boolean>
}

const TTL_MS = '10000'

/** A cache is written and read, and instances tell each other what they removed. */
export function createCacheProbe(keyPrefix: string): Probe {
  const own = `${keyPrefix}:{probe}:${randomUUID()}`
  const channel = `${own}:nonce`
  return {
    channel,
    async run(command, nonce, thorough) {
      const work: Promise<unknown>[] = [
        command(['SET', own, nonce, 'PX', TTL_MS]),
        command(['GET', own]),
        command(['PUBLISH', channel, nonce]),
      ]
      if (thorough) {
        const both = [own, `${own}:claim`]
        work.push(
          callScript(command, lookUpScript, both, [nonce, TTL_MS]),
          callScript(command, putScript, both, [nonce, '1', TTL_MS, '0']),
          callScript(command, claimScript, [`${own}:claim`], [nonce, '0']),
          command(['DEL', `${own}:claim`]),
        )
      }
      await Promise.all(work)
      return true // a cache may lose what it likes
    },
  }
}

/**
 * The room scripts run on a room of the probe's own, so that a right that one of them lacks shows
 * before the first message does. PUBLISH goes by itself: inside a script its failure is ignored.
 */
export function createRoomsProbe(keyPrefix: string): Probe {
  // No room is called like this: `%` is encoded in the names of rooms.
  const keys = roomKeys(keyPrefix, '', `%probe-${randomUUID()}`)
  const room = [keys.meta, keys.log]
  let left = { epoch: '', offset: 0 }

  return {
    channel: `${keys.channel}:nonce`,
    async run(command, nonce, thorough) {
      const epoch = nonce
      const append = [keys.channel, epoch, '1', TTL_MS, TTL_MS, TTL_MS, '0', '', '{}']
      const appended = callScript(command, appendScript, [...room, keys.dedup('', nonce)], append)
      const work: Promise<unknown>[] = [
        appended,
        command(['PUBLISH', `${keys.channel}:nonce`, nonce]),
      ]
      if (thorough) {
        const none = ['', '', '0']
        const read = (kind: string) => [
          ...[epoch, TTL_MS, TTL_MS, kind, '1', '1', '0'],
          ...[...none, keys.channel],
        ]
        work.push(
          callScript(command, readScript, room, read('last')),
          callScript(command, renewScript, room, [keys.channel, epoch, '', TTL_MS, TTL_MS]),
          callScript(command, readScript, room, read('after')),
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
