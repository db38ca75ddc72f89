import type { ChannelListener } from './connection.ts'
import { RedisFailure } from './failure.ts'
import type { ShardLink } from './server-link.ts'
import { slotOf } from './slots.ts'

/**
 * The sharded channels of a cluster link, each subscribed at the primary that serves its slot. A slot
 * that goes elsewhere takes its channels with it: what was published meanwhile is missing.
 */
export interface ClusterChannels {
  /**
   * Resolves when the primary that serves the channel has confirmed; at once while none does, and then
   * it is subscribed as soon as one does.
   */
  subscribe(channel: string, listener: ChannelListener): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Subscribes those whose slot is elsewhere now. */
  arrange(): void
  /** A primary has sent these away: they are nowhere until the next `arrange`. */
  lost(link: ShardLink, channels: readonly string[]): void
  /** Every channel is where it belongs, as far as known. */
  readonly settled: boolean
}

interface Subscription {
  listener: ChannelListener
  slot: number
  /** Where it is subscribed or about to be. */
  link: ShardLink | undefined
  confirmed: Promise<void>
}

/** A channel is followed from primary to primary for so long. */
const FOLLOWED_MS = 1500

export function createClusterChannels(deps: {
  serving: (slot: number) => ShardLink | undefined
  /** Asks who serves what, then calls `arrange`. */
  recover: () => Promise<void>
  /** Some channels have missed something. */
  interrupted: () => void
  /** `settled` may have become true. */
  changed: () => void
}): ClusterChannels {
  const subscriptions = new Map<string, Subscription>()
  const nowhere = new Set<string>()
  let moving = 0

  function place(channel: string, subscription: Subscription, link: ShardLink | undefined): void {
    subscription.link = link
    if (link === undefined) nowhere.add(channel)
    else nowhere.delete(channel)
    subscription.confirmed =
      link === undefined ? Promise.resolve() : link.subscribe(channel, subscription.listener)
    subscription.confirmed.catch(() => undefined) // whoever waits is told; the connection tries again
  }

  function move(channel: string, subscription: Subscription): void {
    const former = subscription.link
    const link = deps.serving(subscription.slot)
    if (link === former) return
    // It left by itself, or its server is gone; told all the same, so that its client knows (node-redis
    // would not subscribe to it again, should the slot come back).
    former?.unsubscribe(channel).catch(() => undefined)
    if (former !== undefined) deps.interrupted()
    place(channel, subscription, link)
    if (link === undefined) return
    moving += 1
    const done = () => {
      moving -= 1
      if (moving === 0) deps.changed()
    }
    subscription.confirmed.then(done, done)
  }

  /** Follows the channel to whoever has it when it is confirmed. */
  async function confirm(channel: string, subscription: Subscription): Promise<void> {
    for (const begun = performance.now(); ; ) {
      const { link } = subscription
      await subscription.confirmed
      if (subscriptions.get(channel) !== subscription) return // it was left meanwhile
      if (link === undefined) {
        deps.interrupted() // nobody has it: to be told of when somebody does
        return
      }
      if (subscription.link === link) return
      if (performance.now() - begun > FOLLOWED_MS) {
        throw new RedisFailure('cluster', { outcomeUnknown: true })
      }
      if (subscription.link === undefined) await deps.recover()
    }
  }

  return {
    async subscribe(channel, listener) {
      const slot = slotOf(channel)
      const subscription: Subscription = {
        ...{ listener, slot, link: undefined, confirmed: Promise.resolve() },
      }
      const former = subscriptions.get(channel)
      subscriptions.set(channel, subscription)
      const link = former?.link ?? deps.serving(slot)
      place(channel, subscription, link)
      try {
        await confirm(channel, subscription)
      } catch (error) {
        const refused = error instanceof RedisFailure && !error.outcomeUnknown
        if (refused && subscriptions.get(channel) === subscription) {
          subscriptions.delete(channel)
          nowhere.delete(channel)
        }
        throw error
      }
    },
    async unsubscribe(channel) {
      const subscription = subscriptions.get(channel)
      subscriptions.delete(channel)
      nowhere.delete(channel)
      await subscription?.link?.unsubscribe(channel)
    },
    arrange() {
      for (const [channel, subscription] of subscriptions) move(channel, subscription)
    },
    lost(link, channels) {
      for (const channel of channels) {
        const subscription = subscriptions.get(channel)
        if (subscription?.link !== link) continue
        subscription.link = undefined
        nowhere.add(channel)
        deps.interrupted()
      }
    },
    get settled() {
      return moving === 0 && nowhere.size === 0
    },
  }
}
