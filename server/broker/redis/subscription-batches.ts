import { RedisFailure } from './failure.ts'

/**
 * Joins what one turn of the event loop subscribes to into one command, and what it leaves into
 * another: in a storm a hundred rooms open in a few turns, and a command each was half of what Redis
 * was asked (3.1 per room and instance; bench `storm`).
 */
export interface SubscriptionBatches {
  /** Resolves when the server has confirmed this channel; rejects as the command does. */
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): Promise<void>
}

type Send = (channels: string[]) => Promise<void>

interface Batch {
  channels: Set<string>
  sent: Promise<void>
  send: () => void
}

export function createSubscriptionBatches(commands: {
  subscribe: Send
  unsubscribe: Send
}): SubscriptionBatches {
  const open = new Map<Send, Batch>()

  /** Both leave in one go; they name different channels, so that their order does not matter. */
  function flush(): void {
    const batches = [...open.values()]
    open.clear()
    for (const { send } of batches) send()
  }

  function batchFor(command: Send): Batch {
    const known = open.get(command)
    if (known !== undefined) return known
    if (open.size === 0) setImmediate(flush)
    const channels = new Set<string>()
    let send: () => void = () => undefined
    const sent = new Promise<void>((resolve, reject) => {
      send = () => command([...channels]).then(resolve, reject)
    })
    sent.catch(() => undefined) // everybody who waits hears of it in `add`
    const batch = { channels, sent, send }
    open.set(command, batch)
    return batch
  }

  async function add(command: Send, opposite: Send, channel: string): Promise<void> {
    // What a channel was asked before goes out first: the last word counts.
    if (open.get(opposite)?.channels.has(channel)) flush()
    const { channels, sent } = batchFor(command)
    channels.add(channel)
    try {
      await sent
    } catch (error) {
      // One channel that the ACL refuses refuses the whole command: others do not suffer for it.
      const refused = error instanceof RedisFailure && error.kind === 'noperm'
      if (!refused || channels.size === 1) throw error
      await command([channel])
    }
  }

  return {
    subscribe: (channel) => add(commands.subscribe, commands.unsubscribe, channel),
    unsubscribe: (channel) => add(commands.unsubscribe, commands.subscribe, channel),
  }
}
