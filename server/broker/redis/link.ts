import { randomUUID } from 'node:crypto'
import type { CommandArguments, Endpoint } from './client.ts'
import {
  type ChannelListener,
  type Connection,
  createConnection,
  type PatternListener,
  type Reauthentication,
} from './connection.ts'
import { type FailureKind, type Redirection, RedisFailure } from './failure.ts'
import type { Probe } from './probes.ts'
import { isOptional } from './rights.ts'
import type { Command } from './script-call.ts'
import type { Sentinels } from './sentinels.ts'

export type RedisRole = 'rooms' | 'cache'

export type LinkState =
  | { name: 'starting' }
  | { name: 'ok'; since: number }
  | { name: 'down'; since: number; kind: FailureKind; message: string; failures: number }

/** Told of every change and every failure; implementations must not throw. */
export interface LinkObserver {
  failed(failure: RedisFailure): void
  /** The state changed: to `ok`, to `down`, or to another reason for being down or words for it. */
  changed(state: LinkState): void
  /** A probe went out and came back; ms. */
  probed(roundTripMs: number): void
}

/** A connection for commands that block, to one server. */
export interface Dedicated {
  readonly connection: Connection
  /** A hash tag whose keys this server serves. */
  readonly tag: string
}

/**
 * What one role has to its Redis: a connection for commands and, where messages are received, one
 * for subscriptions. It is `ok` only while a probe goes round: what the role does, done once, and a
 * published nonce that comes back through the subscription, because PING proves neither.
 *
 * On a cluster (cluster-link.ts) it is such a pair for each primary, behind the same interface: a
 * command goes where its first key is, all keys of one command share a slot.
 */
export interface RedisLink {
  readonly state: LinkState
  /** Channels are a cluster's: what is published to them goes out with SPUBLISH. */
  readonly sharded: boolean
  /** Resolves when the first probe has come back. */
  readonly ready: Promise<void>
  /**
   * Sends a command; rejects with `RedisFailure`, at once while commands are known to fail (D7).
   */
  command(args: CommandArguments): Promise<unknown>
  /** The same to every primary; one that does not answer fails it. */
  commandEach(args: CommandArguments): Promise<unknown[]>
  subscribe(channel: string, listener: ChannelListener): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** To all channels that a glob matches, for the life of the link; `refused` where the ACL forbids. */
  subscribePattern(pattern: string, listener: PatternListener, refused: () => void): void
  /**
   * Opens one more connection to each server there is and will be, for commands that block; they are
   * closed with the link. Returns which one serves a key; undefined while none is known.
   */
  dedicated(): (key: string) => Dedicated | undefined
  /** Logs every connection of this role in again, in place; one outcome for each. Never rejects. */
  reauthenticate(password: string): Promise<readonly Reauthentication[]>
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
  /** They say where the server is; where `endpoint` says, without them. Closed with the link. */
  sentinels?: Sentinels
}

/** What the link to one primary of a cluster needs besides. */
export interface Membership {
  /** Another probe, of a slot that this primary serves: that of the one before is leaving. */
  probe(): Probe
  /** This primary serves these channels no longer. */
  moved(channels: readonly string[], where?: Redirection): void
  /** The role has channels. */
  receives: boolean
}

/** A link to one primary of a cluster. Where a slot went is no trouble of its own: others ask for it there. */
export interface ShardLink extends RedisLink {
  /** Where an ASK redirection leads to. */
  commandAsking(args: CommandArguments): Promise<unknown>
}

/** A frozen Redis is noticed after at most interval + deadline; D7 promises 2 s. */
const PROBE_INTERVAL_MS = 500
const PROBE_DEADLINE_MS = 900
/** A missing right is not mended by asking often; each refusal is an entry in Redis' ACL log. */
const NOPERM_INTERVAL_MS = 2000
/** A peer that has been silent for this long is given up and connected to anew. */
const REPLACE_AFTER_MS = 5000
/** One that is no primary is asked for anew, but not in a loop. */
const REPLACE_EVERY_MS = 400
/** Slots leave one by one; one that finds none of its own after so many tries has none. */
const MAX_PROBES_MOVED = 20

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

export function createRedisLink(deps: LinkDeps): RedisLink
export function createRedisLink(deps: LinkDeps, membership: Membership): ShardLink
export function createRedisLink(deps: LinkDeps, membership?: Membership): ShardLink {
  const { role, observer, sentinels } = deps
  const sharded = membership !== undefined
  const how = { locate: sentinels?.locate, sharded }
  let { probe: prober } = deps
  const changeListeners: ((state: LinkState) => void)[] = []
  const restoredListeners: (() => void)[] = []
  const dedicated: Connection[] = []
  let replacedAt = Number.NEGATIVE_INFINITY
  let probesMoved = 0
  let state: LinkState = { name: 'starting' }
  /** Commands are refused without asking; the state says why. */
  let refusing = true
  let interrupted = true
  /** Everything was tried once since both connections are there. */
  let proven = false
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
      if (kind === 'closed' || (kind === state.kind && message === state.message)) return
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

  function connected(): void {
    proven = false
    probeSoon()
  }

  const commands = createConnection(
    deps.endpoint,
    {
      up: connected,
      failed(failure) {
        refusing = true
        fail(failure)
      },
    },
    how,
  )

  const receives = membership?.receives ?? prober.channel !== undefined
  const subscriptions: Connection | undefined = receives
    ? createConnection(
        deps.endpoint,
        {
          up: connected,
          failed(failure) {
            interrupted = true
            // The nonce went with the connection. Waiting for silence would be no end: the next
            // connection may never be silent.
            awaited?.lost(failure)
            fail(failure)
          },
          moved: (channels, where) => membership?.moved(channels, where),
        },
        how,
      )
    : undefined

  async function listen(channel: string | undefined): Promise<void> {
    if (channel === undefined) return
    await subscriptions?.subscribe(channel, (nonce) => {
      if (nonce.toString() === awaited?.nonce) awaited.arrived()
    })
  }
  // Not confirmed before the connection is up, which confirms it: nothing to wait for or to fail.
  listen(prober.channel).catch(() => undefined)

  /** A slot of this primary's is leaving: proves that it works with another. */
  async function probeElsewhere({ probe: another }: Membership): Promise<void> {
    const left = prober.channel
    prober = another()
    await listen(prober.channel)
    if (left !== undefined) subscriptions?.unsubscribe(left).catch(() => undefined) // it left by itself
  }

  /** All connections anew; where to, the Sentinels say. */
  function replaceAll(kind: FailureKind): void {
    replacedAt = performance.now()
    for (const connection of connections()) connection.replace(kind)
  }

  const connections = () => [commands, ...(subscriptions ? [subscriptions] : []), ...dedicated]

  /** Leaves a server that answers, but that the Sentinels no longer name. */
  async function relocate(): Promise<void> {
    if (sentinels === undefined) return
    const { host, port } = await sentinels.locate()
    for (const connection of connections()) {
      const { address } = connection
      if (address !== undefined && (address.host !== host || address.port !== port)) {
        connection.replace('closed')
      }
    }
  }
  const relocateSoon = () => void relocate().catch(() => undefined) // nobody knows better
  sentinels?.onSwitch(relocateSoon)

  /** What a room does that its last member leaves; nothing else would need the right for long. */
  async function leave(): Promise<void> {
    if (prober.channel === undefined) return
    const left = `${prober.channel}:left`
    await subscriptions?.subscribe(left, () => undefined)
    await subscriptions?.unsubscribe(left)
  }

  /** Writes, publishes, and waits for the nonce to come back through the subscription. */
  async function roundTrip(): Promise<boolean> {
    const thorough = !proven || (state.name === 'down' && state.kind === 'noperm')
    if (thorough) await leave()
    const nonce = randomUUID()
    const arrival =
      prober.channel === undefined
        ? undefined
        : subscriptions?.expect(
            PROBE_DEADLINE_MS,
            new Promise<void>((arrived, lost) => {
              awaited = { nonce, arrived, lost }
            }),
          )
    const command: Command = (args) => commands.command(args, PROBE_DEADLINE_MS)
    const work = prober.run(command, nonce, thorough).catch((error: unknown) => {
      if (!isRedirected(error)) refusing = true
      throw error
    })
    const [, dataKept] = await Promise.all([arrival, work])
    if (thorough) proven = true
    return dataKept
  }

  async function probe(): Promise<void> {
    if (probing || !commands.up || subscriptions?.up === false) return
    probing = true
    const started = performance.now()
    try {
      const dataKept = await roundTrip()
      observer.probed(performance.now() - started)
      probesMoved = 0
      succeed(dataKept)
    } catch (error) {
      await probeFailed(toRedisFailure(error))
    } finally {
      probing = false
    }
  }

  async function probeFailed(failure: RedisFailure): Promise<void> {
    if (closed) return
    if (membership !== undefined && isRedirected(failure) && probesMoved < MAX_PROBES_MOVED) {
      probesMoved += 1
      await probeElsewhere(membership).catch(() => undefined) // the next probe tells
      setImmediate(probeSoon)
      return
    }
    fail(failure)
    const now = performance.now()
    if (failure.kind !== 'timeout') answeredAt = now
    if (now - answeredAt > REPLACE_AFTER_MS) {
      answeredAt = now
      replaceAll('timeout')
    } else if (failure.kind === 'readonly' && now - replacedAt > REPLACE_EVERY_MS) {
      // The primary became a replica; whoever leads to it, a name or the Sentinels, may know the new one.
      replaceAll('closed')
    } else relocateSoon()
  }

  function probeSoon(): void {
    clearTimeout(timer)
    if (closed) return
    // `probe` reports its failures itself and never rejects.
    void probe().then(() => {
      clearTimeout(timer)
      if (closed) return
      const refused = state.name === 'down' && state.kind === 'noperm'
      const interval = refused ? NOPERM_INTERVAL_MS : PROBE_INTERVAL_MS
      timer = setTimeout(probeSoon, interval * (0.9 + Math.random() / 5))
      timer.unref()
    })
  }

  async function command(args: CommandArguments, asking = false): Promise<unknown> {
    if (refusing) throw new RedisFailure(state.name === 'down' ? state.kind : 'closed')
    try {
      // Written in one go, so that nothing comes between the two.
      if (asking) commands.command(['ASKING']).catch(() => undefined) // what follows fails as well
      return await commands.command(args)
    } catch (error) {
      const failure = toRedisFailure(error)
      const dispensable = failure.kind === 'noperm' && isOptional(String(args[0]))
      if (GENERAL.has(failure.kind) && !isRedirected(failure) && !dispensable) {
        refusing = true
        fail(failure)
        if (failure.kind === 'readonly') probeSoon()
      }
      throw failure
    }
  }

  /** Standalone, a redirection is a failure like others: this is one node of a cluster. */
  function isRedirected(error: unknown): boolean {
    return sharded && error instanceof RedisFailure && error.redirection !== undefined
  }

  return {
    get state() {
      return state
    },
    ready,
    sharded,
    command,
    commandAsking: (args) => command(args, true),
    commandEach: async (args) => [await command(args)],
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
      const observing = { up: () => undefined, failed: fail }
      const connection = createConnection(deps.endpoint, observing, how)
      dedicated.push(connection)
      const serving: Dedicated = {
        connection,
        get tag() {
          return prober.tag
        },
      }
      return () => serving
    },
    reauthenticate(password) {
      return Promise.all(connections().map((connection) => connection.reauthenticate(password)))
    },
    onRestored: (listener) => void restoredListeners.push(listener),
    onChange: (listener) => void changeListeners.push(listener),
    close() {
      closed = true
      clearTimeout(timer)
      commands.close()
      subscriptions?.close()
      for (const connection of dedicated) connection.close()
      sentinels?.close()
    },
  }
}

function toRedisFailure(error: unknown): RedisFailure {
  return error instanceof RedisFailure ? error : new RedisFailure('other')
}
