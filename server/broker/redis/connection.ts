import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, ErrorReply } from 'redis'
import { classify, type FailureKind, RedisFailure } from './failure.ts'
import { createPatience } from './patience.ts'
import { createSubscriptionBatches } from './subscription-batches.ts'

/** Where and as whom to connect; a part of `RedisTarget`, so never a URL. */
export interface Endpoint {
  host: string
  port: number
  database: number
  username: string | undefined
  password: string | undefined
  tls:
    | {
        ca: string | undefined
        cert: string | undefined
        key: string | undefined
        serverName: string | undefined
      }
    | undefined
}

export interface ConnectionObserver {
  /** Connected, authenticated, subscriptions restored. */
  up(): void
  /** An attempt failed or a connection was lost. */
  failed(failure: RedisFailure): void
}

export type ChannelListener = (message: Buffer) => void
/** @param channel the one that a message was published to */
export type PatternListener = (message: Buffer, channel: string) => void
export type CommandArguments = readonly (string | Buffer)[]

/**
 * One connection to one Redis server that comes back by itself for as long as it is open. Every
 * promise it hands out settles: a command has a deadline of its own, because the client's covers only
 * commands it has not written yet, and a frozen server answers none.
 */
export interface Connection {
  readonly up: boolean
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
  /** Settles as `work` does, or rejects with `timeout` when the server is silent for so long. */
  expect<T>(deadlineMs: number, work: Promise<T>): Promise<T>
  /** Drops the connection and makes a new one: for a peer that is there but does not answer. */
  replace(): void
  close(): void
}

/** A command on a healthy server takes well under 10 ms; D7 promises an error within 2 s. */
const COMMAND_DEADLINE_MS = 1500
/** TCP, TLS and authentication together. */
const CONNECT_DEADLINE_MS = 4000
const PLAIN_DEADLINE_MS = 1000
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

type Client = ReturnType<typeof newClient>

/** A client that connects once, as the endpoint says; whoever wants it back makes a new one. */
export function newClient(endpoint: Endpoint, signal: AbortSignal) {
  const { host, port, tls } = endpoint
  const common = {
    // The client itself ends only a socket that is connected, TLS included.
    signal,
    connectTimeout: CONNECT_DEADLINE_MS,
    // The client never reconnects: each attempt is a client of its own, so that attempts can be
    // bounded, classified and given new credentials, and subscriptions restored before `up`.
    reconnectStrategy: (_retries: number, cause: Error) => cause,
  }
  return createClient({
    socket:
      tls === undefined
        ? { host, port, ...common }
        : {
            host,
            port,
            ...common,
            tls: true as const,
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
          },
    ...(endpoint.username === undefined ? {} : { username: endpoint.username }),
    ...(endpoint.password === undefined ? {} : { password: endpoint.password }),
    database: endpoint.database,
    disableOfflineQueue: true,
    // Both would need rights that a least-privilege user does not have.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
  })
}

/**
 * Whether a Redis without TLS is there: most often it does not refuse a TLS handshake, but takes it
 * for a command and waits for the end of its line.
 */
function speaksPlainText({ host, port }: Endpoint): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => socket.write('PING\r\n')).unref()
    socket.setTimeout(PLAIN_DEADLINE_MS, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(false))
    socket.once('data', (reply) => {
      resolve(/^[+-]/.test(reply.toString()))
      socket.destroy()
    })
  })
}

export function createConnection(
  endpoint: () => Endpoint,
  observer: ConnectionObserver,
): Connection {
  const channels = new Map<string, ChannelListener>()
  const patterns: { pattern: string; listener: PatternListener; refused: () => void }[] = []
  let current: Client | undefined
  let closed = false
  let replaced = new AbortController()
  const patience = createPatience()

  function discard(client: Client): void {
    client.removeAllListeners()
    client.on('error', () => undefined) // whatever it still has to say is known
    client.destroy()
  }

  function onMessage(message: Buffer, channel: Buffer): void {
    patience.heard()
    channels.get(channel.toString())?.(message)
  }

  async function listen(client: Client, { pattern, listener, refused }: (typeof patterns)[number]) {
    const onPattern = (message: Buffer, channel: Buffer) => listener(message, channel.toString())
    try {
      await client.pSubscribe(pattern, onPattern, true)
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error
      refused()
    }
  }

  /** Connects and subscribes to everything wanted, including what is added meanwhile. */
  async function establish(client: Client): Promise<void> {
    await client.connect()
    for (const wanted of patterns) await listen(client, wanted)
    const done = new Set<string>()
    for (;;) {
      const missing = [...channels.keys()].filter((channel) => !done.has(channel))
      if (missing.length === 0) break
      await client.subscribe(missing, onMessage, true)
      for (const channel of missing) done.add(channel)
    }
    current = client // in the step that found nothing missing, so that nothing slips in between
  }

  /** One attempt: resolves when the connection it made has ended, rejects if it made none. */
  async function connectOnce(): Promise<void> {
    const target = endpoint()
    replaced = new AbortController()
    const { signal } = replaced
    const client = newClient(target, signal)
    const ended = new Promise<never>((_resolve, reject) => {
      client.on('error', reject)
      client.on('end', () => reject(new RedisFailure('closed')))
      signal.addEventListener('abort', () => reject(new RedisFailure('timeout')))
    })
    try {
      try {
        await patience.expect(CONNECT_DEADLINE_MS, Promise.race([establish(client), ended]))
      } catch (error) {
        const failure = toFailure(error, target.tls !== undefined)
        const unanswered = target.tls !== undefined && failure.kind === 'timeout'
        throw unanswered && (await speaksPlainText(target)) ? new RedisFailure('tls') : failure
      }
      observer.up()
      await ended.catch((cause: unknown) => {
        current = undefined
        if (!closed) observer.failed(toFailure(cause, false))
      })
    } finally {
      current = undefined
      discard(client)
      replaced.abort()
    }
  }

  async function run(): Promise<void> {
    let pause = RETRY_FIRST_MS
    while (!closed) {
      let longest = RETRY_MAX_MS
      try {
        await connectOnce()
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
      await onClient(COMMAND_DEADLINE_MS, (client) => client.subscribe(names, onMessage, true))
    },
    async unsubscribe(names) {
      if (current === undefined) return
      // With its listener: without it a SUBSCRIBE that follows before the reply is not even sent.
      await onClient(COMMAND_DEADLINE_MS, (client) => client.unsubscribe(names, onMessage, true))
    },
  })

  void run()

  return {
    get up() {
      return current !== undefined
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
    expect: patience.expect,
    replace() {
      replaced.abort()
    },
    close() {
      closed = true
      replaced.abort()
      patience.stop()
    },
  }
}

/** Replies mean the command was refused; everything else leaves open whether it was executed. */
export function toFailure(error: unknown, overTls: boolean, sent = false): RedisFailure {
  if (error instanceof RedisFailure) return error
  const { kind, detail } = classify(error, overTls)
  const refused = error instanceof ErrorReply
  return new RedisFailure(kind, {
    outcomeUnknown: sent && !refused,
    ...(detail === undefined ? {} : { detail }),
  })
}
