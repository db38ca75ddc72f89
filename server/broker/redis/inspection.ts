import { setTimeout as sleep } from 'node:timers/promises'
import { type CommandArguments, type Endpoint, newClient, toFailure } from './client.ts'
import type { ChannelListener } from './connection.ts'
import { RedisFailure } from './failure.ts'

/**
 * One connection for looking at a server: it logs in as a gateway does, and nothing is tried again.
 * Everything that fails rejects with `RedisFailure`.
 */
export interface Inspection {
  command(args: CommandArguments): Promise<unknown>
  /** Resolves when the server has confirmed. */
  subscribe(channel: string, listener: ChannelListener, as?: SubscriptionKind): Promise<void>
  close(): void
}

/** `pattern`: the channel is one; `sharded`: of the node of a cluster that has its slot. */
export type SubscriptionKind = 'plain' | 'sharded' | 'pattern'

const METHODS = { plain: 'subscribe', sharded: 'sSubscribe', pattern: 'pSubscribe' } as const

/** Whoever looks wants to hear soon that there is no answer. */
const CONNECT_DEADLINE_MS = 3000
const COMMAND_DEADLINE_MS = 1500

/** Connected and logged in, its database selected. */
export async function openInspection(endpoint: Endpoint): Promise<Inspection> {
  const overTls = endpoint.tls !== undefined
  const client = newClient(endpoint, new AbortController().signal)
  client.on('error', () => undefined) // what it concerns rejects
  const close = () => {
    client.removeAllListeners()
    client.on('error', () => undefined)
    client.destroy()
  }

  async function bounded<T>(ms: number, work: Promise<T>): Promise<T> {
    const settled = new AbortController()
    const silence = sleep(ms, undefined, { signal: settled.signal }).then(() => {
      throw new RedisFailure('timeout', { outcomeUnknown: true })
    })
    silence.catch(() => undefined)
    try {
      return await Promise.race([work, silence])
    } catch (error) {
      throw toFailure(error, overTls)
    } finally {
      settled.abort()
    }
  }

  try {
    await bounded(CONNECT_DEADLINE_MS, client.connect())
  } catch (error) {
    close()
    throw error
  }
  return {
    command: (args) => bounded(COMMAND_DEADLINE_MS, client.sendCommand([...args])),
    subscribe: (channel, listener, as = 'plain') =>
      bounded(COMMAND_DEADLINE_MS, client[METHODS[as]](channel, listener, true)),
    close,
  }
}
