import { randomUUID } from 'node:crypto'
import {
  type ChannelListener,
  type CommandArguments,
  type Connection,
  createConnection,
  type Endpoint,
  type PatternListener,
} from './connection.ts'
import { type FailureKind, RedisFailure } from './failure.ts'
import type { Probe } from './probes.ts'
import type { Command } from './script-call.ts'

export type RedisRole = 'rooms' | 'cache'

export type LinkState =
  | { name: 'starting' }
  | { name: 'ok'; since: number }
  | { name: 'down'; since: number; kind: FailureKind; message: string; failures: number }

/** Told of every change and every failure; implementations must not throw. */
export interface LinkObserver {
  failed(failure: RedisFailure): void
  /** The state changed: to `ok`, to `down`, or to another reason for being down. */
  changed(state: LinkState): void
  /** A probe went out and came back; ms. */
  probed(roundTripMs: number): void
}

/**
 * What one role has to its Redis: a connection for commands and, where messages are received, one
 * for subscriptions. It is `ok` only while a probe goes round: what the role does, done once, and a
 * published nonce that comes back through the subscription, because PING proves neither.
 */
export interface RedisLink {
  readonly state: LinkState
  /** Resolves when the first probe has come back. */
  readonly ready: Promise<void>
  /**
   * Sends a command; rejects with `RedisFailure`, at once while commands are known to fail (D7).
   */
  command(args: CommandArguments): Promise<unknown>
  subscribe(channel: string, listener: ChannelListener): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** To all channels that a glob matches, for the life of the link; `refused` where the ACL forbids. */
  subscribePattern(pattern: string, listener: PatternListener, refused: () => void): void
  /** One more connection to the same server, for commands that block; closed with the link. */
  dedicated(): Connection
  /**
   * Calls back each time the link becomes `ok` after subscriptions were interrupted, and when Redis
   * turns out to have lost data.
   */
  onRestored(listener: () => void): void
  /** Calls back at every change of state, after the observer. */
  onChange(listener: (state: LinkState) => void): void
  close(): void
}

export interface LinkDeps {
  role: RedisRole
  endpoint: () => Endpoint
  /** What proves that the link works; one with a channel needs a connection that receives. */
  probe: Probe
  observer: LinkObserver
}

/** A frozen Redis is noticed after at most interval + deadline; D7 promises 2 s. */
const PROBE_INTERVAL_MS = 500
const PROBE_DEADLINE_MS = 900
/** A peer that has been silent for this long is given up and connected to anew. */
const REPLACE_AFTER_MS = 5000

/** Kinds in a reply that mean that commands in general fail, not just the one at hand. */
const GENERAL: ReadonlySet<FailureKind> = new Set([
  'noauth',
  'wrongpass',
  'noperm',
  'loading',
  'readonly',
  'oom',
  'misconf',
  'cluster',
  'timeout',
  'closed',
])

export function createRedisLink(deps: LinkDeps): RedisLink {
  const { role, observer } = deps
  const { channel } = deps.probe
  const changeListeners: ((state: LinkState) => void)[] = []
  const restoredListeners: (() => void)[] = []
  const dedicated: Connection[] = []
  let state: LinkState = { name: 'starting' }
  /** Commands are refused without asking; the state says why. */
  let refusing = true
  let interrupted = true
  let awaited:
    | { nonce: string; arrived: () => void; lost: (failure: RedisFailure) => void }
    | undefined
  let timer: NodeJS.Timeout | undefined
  let probing = false
  let closed = false
  /** When Redis last answered, be it with an error. */
  let answeredAt = performance.now()
  let announceReady: () => void = () => undefined
  const ready = new Promise<void>((resolve) => {
    announceReady = resolve
  })

  function enter(next: LinkState): void {
    state = next
    observer.changed(next)
    for (const listener of changeListeners) listener(next)
  }

  function fail(failure: RedisFailure): void {
    if (closed) return
    observer.failed(failure)
    const { kind, message } = failure
    if (state.name === 'down') {
      state.failures += 1
      // A connection that ends is the consequence of what was known before.
      if (kind === state.kind || kind === 'closed') return
      enter({ name: 'down', since: state.since, kind, message, failures: state.failures })
    } else {
      enter({ name: 'down', since: Date.now(), kind, message, failures: 1 })
    }
  }

  function succeed(dataKept: boolean): void {
    refusing = false
    answeredAt = performance.now()
    if (state.name !== 'ok') enter({ name: 'ok', since: Date.now() })
    announceReady()
    if (!interrupted && dataKept) return
    interrupted = false
    for (const listener of restoredListeners) listener()
  }

  const commands = createConnection(deps.endpoint, {
    up: () => probeSoon(),
    failed(failure) {
      refusing = true
      fail(failure)
    },
  })

  const subscriptions: Connection | undefined = channel
    ? createConnection(deps.endpoint, {
        up: () => probeSoon(),
        failed(failure) {
          interrupted = true
          // The nonce went with the connection. Waiting for silence would be no end: the next
          // connection may never be silent.
          awaited?.lost(failure)
          fail(failure)
        },
      })
    : undefined
  // Not confirmed before the connection is up, which confirms it: nothing to wait for or to fail.
  if (channel !== undefined) {
    subscriptions
      ?.subscribe(channel, (nonce) => {
        if (nonce.toString() === awaited?.nonce) awaited.arrived()
      })
      .catch(() => undefined)
  }

  /** Writes, publishes, and waits for the nonce to come back through the subscription. */
  async function roundTrip(): Promise<boolean> {
    const nonce = randomUUID()
    const arrival = subscriptions?.expect(
      PROBE_DEADLINE_MS,
      new Promise<void>((arrived, lost) => {
        awaited = { nonce, arrived, lost }
      }),
    )
    const command: Command = (args) => commands.command(args, PROBE_DEADLINE_MS)
    const thorough = state.name !== 'ok'
    const work = deps.probe.run(command, nonce, thorough).catch((error: unknown) => {
      refusing = true
      throw error
    })
    const [, dataKept] = await Promise.all([arrival, work])
    return dataKept
  }

  async function probe(): Promise<void> {
    if (probing || !commands.up || subscriptions?.up === false) return
    probing = true
    const started = performance.now()
    try {
      const dataKept = await roundTrip()
      observer.probed(performance.now() - started)
      succeed(dataKept)
    } catch (error) {
      if (closed) return
      const failure = toRedisFailure(error)
      fail(failure)
      const now = performance.now()
      if (failure.kind !== 'timeout') answeredAt = now
      if (now - answeredAt > REPLACE_AFTER_MS) {
        answeredAt = now
        commands.replace()
        subscriptions?.replace()
      }
    } finally {
      probing = false
    }
  }

  function probeSoon(): void {
    clearTimeout(timer)
    if (closed) return
    // `probe` reports its failures itself and never rejects.
    void probe().then(() => {
      clearTimeout(timer)
      if (closed) return
      timer = setTimeout(probeSoon, PROBE_INTERVAL_MS * (0.9 + Math.random() / 5))
      timer.unref()
    })
  }

  return {
    get state() {
      return state
    },
    ready,
    async command(args) {
      if (refusing) throw new RedisFailure(state.name === 'down' ? state.kind : 'closed')
      try {
        return await commands.command(args)
      } catch (error) {
        const failure = toRedisFailure(error)
        if (GENERAL.has(failure.kind)) {
          refusing = true
          fail(failure)
        }
        throw failure
      }
    },
    async subscribe(channel, listener) {
      if (subscriptions === undefined) throw new Error(`the ${role} link does not receive`)
      await subscriptions.subscribe(channel, listener)
    },
    async unsubscribe(channel) {
      await subscriptions?.unsubscribe(channel)
    },
    subscribePattern(pattern, listener, refused) {
      subscriptions?.subscribePattern(pattern, listener, refused)
    },
    dedicated() {
      const connection = createConnection(deps.endpoint, { up: () => undefined, failed: fail })
      dedicated.push(connection)
      return connection
    },
    onRestored: (listener) => void restoredListeners.push(listener),
    onChange: (listener) => void changeListeners.push(listener),
    close() {
      closed = true
      clearTimeout(timer)
      commands.close()
      subscriptions?.close()
      for (const connection of dedicated) connection.close()
    },
  }
}

function toRedisFailure(error: unknown): RedisFailure {
  return error instanceof RedisFailure ? error : new RedisFailure('other')
}
