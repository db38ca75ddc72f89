import { createShardedAdapter } from '@socket.io/redis-adapter'
import type { Broker } from '../broker.ts'
import type { RedisLink } from './link.ts'

type Handler = (message: Buffer, channel: Buffer) => void

/**
 * The Socket.IO adapter for everything that may be lost: typing, `fetchSockets`, cluster-wide
 * disconnects, and what embedders emit.
 *
 * It is always the package's sharded adapter, over clients of ours: it subscribes to the channels of
 * local rooms only, where the classic one decodes the whole cluster's traffic. Outside a cluster plain
 * PUBLISH and SUBSCRIBE mean the same as the sharded commands, so that it also runs on Redis 6. The
 * adapter drops the promises of its subscriptions: ours never reject (facts: an unhandled TimeoutError
 * ended the process).
 */
export function createAdapter(link: RedisLink, keyPrefix: string): NonNullable<Broker['adapter']> {
  const wanted = new Map<string, Handler>()
  link.onRestored(() => {
    // After a failed subscription; the ones the link knows are restored before it reports back.
    for (const [channel, handler] of wanted) subscribe(channel, handler)
  })

  function subscribe(channel: string, handler: Handler): void {
    const name = Buffer.from(channel)
    link
      .subscribe(channel, (message) => {
        try {
          handler(message, name)
        } catch {
          // Not from an adapter: what throws in here would end the connection of all rooms.
        }
      })
      .then(() => wanted.delete(channel))
      .catch(() => wanted.set(channel, handler))
  }

  const client = {
    async sSubscribe(channel: string, handler: Handler): Promise<void> {
      subscribe(channel, handler)
    },
    async sUnsubscribe(channels: string | string[]): Promise<void> {
      for (const channel of [channels].flat()) {
        wanted.delete(channel)
        await link.unsubscribe(channel).catch(() => undefined) // not connected: nothing to leave
      }
    },
    // The adapter reports a rejected publication to its caller or drops it; it never goes unhandled.
    sPublish: (channel: string, payload: string | Buffer) =>
      link.command(['PUBLISH', channel, payload]),
    sendCommand: async (args: string[]) =>
      link.command(args.map((arg) => (arg === 'SHARDNUMSUB' ? 'NUMSUB' : arg))),
  }
  return createShardedAdapter(client, client, { channelPrefix: `${keyPrefix}:io` })
}
