import { randomUUID } from 'node:crypto'
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

/** A cache is written and read. */
export function createCacheProbe(keyPrefix: string, instance: string): Probe {
  const key = `${keyPrefix}:{probe}:${instance}`
  return {
    channel: undefined,
    async run(command, nonce) {
      await Promise.all([command(['SET', key, nonce, 'PX', TTL_MS]), command(['GET', key])])
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
      const append = [keys.channel, epoch, '1', TTL_MS, TTL_MS, TTL_MS, '{}']
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
