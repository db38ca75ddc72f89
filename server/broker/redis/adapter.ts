import { createShardedAdapter } from '@socket.io/redis-adapter'
import type { Broker } from '../broker.ts'
import type { RedisLink } from './link.ts'

type Handler = (message: Buffer, channel: Buffer) => void

/** The adapter, and the subscriptions that it is going to want. */
export interface RoomsAdapter {
  adapter: NonNullable<Broker['adapter']>
  /**
   * Subscribes to what is sent to the Socket.IO room of a room before its first member is there, so
   * that it goes out in one command with the room's own subscription; kept until `unfollow`. What
   * fails is tried again when the link is back.
   */
  follow(room: string): void
  unfollow(room: string): void
}

/**
 * The Socket.IO adapter for everything that may be lost: typing, `fetchSockets`, cluster-wide
 * disconnects, and what embedders emit.
 *
 * It is always the package's sharded adapter, over clients of ours: it subscribes to the channels of
 * local rooms only, where the classic one decodes the whole cluster's traffic. Outside a cluster plain
 * PUBLISH and SUBSCRIBE mean the same as the sharded commands, so that it also runs on Redis 6. The
 * adapter drops the promises of its subscriptions: ours never reject, or one that did would end the
 * process.
 */
export function createAdapter(link: RedisLink, keyPrefix: string): RoomsAdapter {
  const channelPrefix = `${keyPrefix}:io`
  /** The package's name for a room's channel, in the namespace of rooms. */
  const channelOf = (room: string) => `${channelPrefix}#/#${room}#`
  const handlers = new Map<string, Handler>()
  const followed = new Set<string>()
  const failed = new Set<string>()
  link.onRestored(() => {
    // After a failed subscription; the ones the link knows are restored before it reports back.
    for (const channel of failed) {
      failed.delete(channel)
      if (handlers.has(channel) || followed.has(channel)) subscribe(channel)
    }
  })

  function subscribe(channel: string): void {
    const name = Buffer.from(channel)
    link
      .subscribe(channel, (message) => {
        try {
          handlers.get(channel)?.(message, name)
        } catch {
          // Not from an adapter: what throws in here would end the connection of all rooms.
        }
      })
      .then(() => failed.delete(channel))
      .catch(() => failed.add(channel))
  }

  async function unsubscribe(channel: string): Promise<void> {
    failed.delete(channel)
    await link.unsubscribe(channel).catch(() => undefined) // not connected: nothing to leave
  }

  const client = {
    async sSubscribe(channel: string, handler: Handler): Promise<void> {
      handlers.set(channel, handler)
      if (!followed.has(channel)) subscribe(channel)
    },
    async sUnsubscribe(channels: string | string[]): Promise<void> {
      for (const channel of [channels].flat()) {
        handlers.delete(channel)
        if (!followed.has(channel)) await unsubscribe(channel)
      }
    },
    // The adapter reports a rejected publication to its caller or drops it; it never goes unhandled.
    sPublish: (channel: string, payload: string | Buffer) =>
      link.command([link.sharded ? 'SPUBLISH' : 'PUBLISH', channel, payload]),
    sendCommand: async (args: string[]) =>
      link.command(
        link.sharded ? args : args.map((arg) => (arg === 'SHARDNUMSUB' ? 'NUMSUB' : arg)),
      ),
  }
  return {
    adapter: createShardedAdapter(client, client, { channelPrefix }),
    follow(room) {
      const channel = channelOf(room)
      followed.add(channel)
      if (!handlers.has(channel)) subscribe(channel)
    },
    unfollow(room) {
      const channel = channelOf(room)
      followed.delete(channel)
      if (!handlers.has(channel)) void unsubscribe(channel)
    },
  }
}
