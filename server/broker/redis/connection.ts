import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorReply } from 'redis'
import {
  type Address,
  type Client,
  CONNECT_DEADLINE_MS,
  type CommandArguments,
  discard,
  type Endpoint,
  newClient,
  speaksPlainText,
  toFailure,
  withEitherPassword,
} from './client.ts'
import { type FailureKind, type Redirection, RedisFailure } from './failure.ts'
import { createPatience } from './patience.ts'
import { bySlot } from './slots.ts'
import { createSubscriptionBatches } from './subscription-batches.ts'

export interface ConnectionObserver {
  /** Connected, authenticated, subscriptions restored. */
  up(): void
  /** An attempt failed or a connection was lost. */
  failed(failure: RedisFailure): void
  /**
   * This server serves the slot of these sharded channels no longer: they are unsubscribed.
   *
   * @param where where they are, if it said so
   */
  moved?(channels: readonly string[], where?: Redirection): void
}

export interface ConnectionOptions {
  /** Asked before each attempt for where the server is now. */
  locate?: (() => Promise<Address>) | undefined
  /** Channels are those of a cluster: SSUBSCRIBE. */
  sharded?: boolean
}

/** `absent`: not connected, or it went meanwhile; the next connection uses what is newest. */
export type Reauthentication = 'accepted' | 'refused' | 'absent'

export type ChannelListener = (message: Buffer) => void
/** @param channel the one that a message was published to */
export type PatternListener = (message: Buffer, channel: string) => void

/**
 * One connection to one Redis server that comes back by itself for as long as it is open. Every
 * promise it hands out settles: a command has a deadline of its own, because the client's covers only
 * commands it has not written yet, and a frozen server answers none.
 */
export interface Connection {
  readonly up: boolean
  /** Where it is connected to; undefined while it is not. */
  readonly address: Address | undefined
  /**
   * Sends one command now or rejects with `RedisFailure`; nothing is queued while disconnected.
   * `outcomeUnknown` is set where the command had been handed to the socket.
   */
  command(args: CommandArguments, deadlineMs?: number): Promise<unknown>
  /**
   * Resolves when the server has confirmed. While disconnected it resolves at once: the channel is
   * part of what the next connection subscribes to before it is `up`. So it is after a failure, unless
   * the server refused it, until `unsubscribe`.
   */
  subscribe(channel: string, listener: ChannelListener): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /**
   * Subscribes to all channels that a glob matches, for the life of this object. A server that refuses
   * it refuses nothing else: `refused` is called after each attempt, which is made per connection.
   */
  subscribePattern(pattern: string, listener: PatternListener, refused: () => void): void
  /**
   * Logs in again over the live connection, which goes on either way, with all its subscriptions: Redis
   * leaves one that gives a wrong password as it was. Never rejects.
   */
  reauthenticate(password: string): Promise<Reauthentication>
  /** Settles as `work` does, or rejects with `timeout` when the server is silent for so long. */
  expect<T>(deadlineMs: number, work: Promise<T>): Promise<T>
  /**
   * Drops the connection and makes a new one: for a peer that is there but does not answer, or is no
   * longer the right one. `kind` is what the observer is told.
   */
  replace(kind?: FailureKind): void
  close(): void
}

/** A command on a healthy server takes well under 10 ms; D7 promises an error within 2 s. */
const COMMAND_DEADLINE_MS = 1500
const PLAIN_TEXT = { detail: 'the port speaks plain text, so write redis:// in the URL' }
/** First and longest pause between attempts; "whole within 2 s of Redis being back" needs a short one. */
const RETRY_FIRST_MS = 30
const RETRY_MAX_MS = 500
/** A refused password is not mended by asking often; every attempt is an error in Redis' log. */
const RETRY_AUTH_MS = 4000
const AUTH_KINDS: ReadonlySet<FailureKind> = new Set([
  'noauth',
  'wrongpass',
  'noperm',
  'maxclients',
])

export function createConnection(
  endpoint: () => Endpoint,
  observer: ConnectionObserver,
  { locate, sharded = false }: ConnectionOptions = {},
): Connection {
  const channels = new Map<string, ChannelListener>()
  const patterns: { pattern: string; listener: PatternListener; refused: () => void }[] = []
  let current: Client | undefined
  let address: Address | undefined
  let closed = false
  let replaced = new AbortController()
  const patience = createPatience()

  function onMessage(message: Buffer, channel: Buffer): void {
    patience.heard()
    channels.get(channel.toString())?.(message)
  }

  async function listen(client: Client, { pattern, listener, refused }: (typeof patterns)[number]) {
    function onPattern(message: Buffer, channel: Buffer): void {
      try {
        listener(message, channel.toString())
      } catch {
        // Whoever may publish there must not be able to end the connection of all rooms.
      }
    }
    try {
      await client.pSubscribe(pattern, onPattern, true)
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error
      refused()
    }
  }

  /** Channels of a slot that is elsewhere are given up; whatever else is refused is an error. */
  async function subscribe(client: Client, names: string[]): Promise<void> {
    if (!sharded) return client.subscribe(names, onMessage, true)
    const groups = bySlot(names).map((group) =>
      client.sSubscribe(group, onMessage, true).catch((error: unknown) => {
        const { redirection } = toFailure(error, false)
        if (redirection === undefined) throw error
        giveUp(group, redirection)
      }),
    )
    await Promise.all(groups)
  }

  function giveUp(names: readonly string[], where?: Redirection): void {
    const wanted = names.filter((name) => channels.delete(name))
    if (wanted.length > 0) observer.moved?.(wanted, where)
  }

  async function unsubscribe(client: Client, names: string[]): Promise<void> {
    // With its listener: without it a SUBSCRIBE that follows before the reply is not even sent.
    if (!sharded) return client.unsubscribe(names, onMessage, true)
    await Promise.all(bySlot(names).map((group) => client.sUnsubscribe(group, onMessage, true)))
  }

  /** Connects and subscribes to everything wanted, including what is added meanwhile. */
  async function establish(client: Client): Promise<void> {
    await client.connect()
    for (const wanted of patterns) await listen(client, wanted)
    const done = new Set<string>()
    for (;;) {
      const missing = [...channels.keys()].filter((channel) => !done.has(channel))
      if (missing.length === 0) break
      await subscribe(client, missing)
      for (const channel of missing) done.add(channel)
    }
    current = client // in the step that found nothing missing, so that nothing slips in between
  }

  /**
   * A `sunsubscribe` that comes while a subscription waits for its reply is taken for it by node-redis,
   * which throws at the true one: the connection is of no use, and the next restores everything.
   */
  function lostTrack(error: Error): boolean {
    return sharded && error instanceof TypeError
  }

  /** One attempt: resolves when the connection it made has ended, rejects if it made none. */
  async function connectOnce(as: Endpoint): Promise<void> {
    replaced = new AbortController()
    const { signal } = replaced
    const target = { ...as, ...(await locate?.()) }
    if (signal.aborted) throw new RedisFailure('closed')
    const client = newClient(target, signal)
    const ended = new Promise<never>((_resolve, reject) => {
      client.on('error', (error: Error) =>
        reject(lostTrack(error) ? new RedisFailure('closed') : error),
      )
      client.on('end', () => reject(new RedisFailure('closed')))
      signal.addEventListener('abort', () => reject(new RedisFailure(signal.reason ?? 'closed')))
    })
    client.on('sharded-channel-moved', (channel: string) => giveUp([channel]))
    try {
      try {
        await patience.expect(CONNECT_DEADLINE_MS, Promise.race([establish(client), ended]))
      } catch (error) {
        const failure = toFailure(error, target.tls !== undefined)
        const unanswered = target.tls !== undefined && failure.kind === 'timeout'
        throw unanswered && (await speaksPlainText(target))
          ? new RedisFailure('tls', PLAIN_TEXT)
          : failure
      }
      address = { host: target.host, port: target.port }
      observer.up()
      await ended.catch((cause: unknown) => {
        current = undefined
        if (!closed) observer.failed(toFailure(cause, false))
      })
    } finally {
      current = undefined
      address = undefined
      discard(client)
      replaced.abort('closed')
    }
  }

  async function run(): Promise<void> {
    let pause = RETRY_FIRST_MS
    while (!closed) {
      let longest = RETRY_MAX_MS
      try {
        await withEitherPassword(endpoint(), connectOnce)
        pause = RETRY_FIRST_MS
      } catch (error) {
        const failure = toFailure(error, false)
        if (closed) return
        observer.failed(failure)
        if (AUTH_KINDS.has(failure.kind)) longest = RETRY_AUTH_MS
        pause = Math.min(pause * 2, longest)
      }
      if (closed) return
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { ref: false })
    }
  }

  async function onClient<T>(deadlineMs: number, use: (client: Client) => Promise<T>): Promise<T> {
    const client = current
    if (client === undefined) throw new RedisFailure('closed')
    try {
      return await patience.expect(deadlineMs, use(client))
    } catch (error) {
      throw toFailure(error, false, true)
    }
  }

  // Not connected by the time they are sent: the next connection has them, or has nothing to leave.
  const batches = createSubscriptionBatches({
    async subscribe(names) {
      if (current === undefined) return
      await onClient(COMMAND_DEADLINE_MS, (client) => subscribe(client, names))
    },
    async unsubscribe(names) {
      if (current === undefined) return
      await onClient(COMMAND_DEADLINE_MS, (client) => unsubscribe(client, names))
    },
  })

  void run()

  return {
    get up() {
      return current !== undefined
    },
    get address() {
      return address
    },
    command: (args, deadlineMs = COMMAND_DEADLINE_MS) =>
      onClient(deadlineMs, (client) => client.sendCommand([...args])),
    async subscribe(channel, listener) {
      channels.set(channel, listener)
      if (current === undefined) return
      try {
        await batches.subscribe(channel)
      } catch (error) {
        if (error instanceof RedisFailure && !error.outcomeUnknown) channels.delete(channel)
        throw error
      }
    },
    async unsubscribe(channel) {
      channels.delete(channel)
      if (current === undefined) return
      await batches.unsubscribe(channel)
    },
    subscribePattern(pattern, listener, refused) {
      const wanted = { pattern, listener, refused }
      patterns.push(wanted)
      if (current !== undefined) void listen(current, wanted).catch(() => undefined) // it is lost
    },
    async reauthenticate(password) {
      const { username = 'default' } = endpoint()
      try {
        await onClient(COMMAND_DEADLINE_MS, (client) =>
          client.sendCommand(['AUTH', username, password]),
        )
        return 'accepted'
      } catch (error) {
        const refused = error instanceof RedisFailure && error.kind === 'wrongpass'
        return refused ? 'refused' : 'absent'
      }
    },
    expect: patience.expect,
    replace(kind = 'timeout') {
      replaced.abort(kind)
    },
    close() {
      closed = true
      replaced.abort('closed')
      patience.stop()
    },
  }
}
