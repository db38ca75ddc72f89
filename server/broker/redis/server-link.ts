import type { CommandArguments, Endpoint } from './client.ts'
import { type Connection, createConnection } from './connection.ts'
import {
  asRedisFailure,
  type FailureKind,
  isRedirection,
  type Redirection,
  RedisFailure,
} from './failure.ts'
import type { Dedicated, LinkObserver, LinkState, RedisLink, RedisRole } from './link.ts'
import type { Probe } from './probes.ts'
import { createProbing } from './probing.ts'
import { isOptional } from './rights.ts'
import type { Sentinels } from './sentinels.ts'

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
  const changeListeners: ((state: LinkState) => void)[] = []
  const restoredListeners: (() => void)[] = []
  const dedicated: Connection[] = []
  let state: LinkState = { name: 'starting' }
  /** Commands are refused without asking; the state says why. */
  let refusing = true
  let interrupted = true
  let closed = false
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
    if (state.name !== 'ok') enter({ name: 'ok', since: Date.now() })
    announceReady()
    if (!interrupted && dataKept) return
    interrupted = false
    for (const listener of restoredListeners) listener()
  }

  const connected = () => probing.anew()

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

  const receives = membership?.receives ?? deps.probe.channel !== undefined
  const subscriptions: Connection | undefined = receives
    ? createConnection(
        deps.endpoint,
        {
          up: connected,
          failed(failure) {
            interrupted = true
            probing.interrupted(failure)
            fail(failure)
          },
          moved: (channels, where) => membership?.moved(channels, where),
        },
        how,
      )
    : undefined

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

  const probing = createProbing({
    ...{ commands, subscriptions, probe: deps.probe, another: membership?.probe },
    trouble: () => (state.name === 'down' ? state.kind : undefined),
    succeeded(roundTripMs, dataKept) {
      observer.probed(roundTripMs)
      succeed(dataKept)
    },
    failed: fail,
    refuse() {
      refusing = true
    },
    replaceAll(kind) {
      for (const connection of connections()) connection.replace(kind)
    },
    relocate: relocateSoon,
  })

  async function command(args: CommandArguments, asking = false): Promise<unknown> {
    if (refusing) throw new RedisFailure(state.name === 'down' ? state.kind : 'closed')
    try {
      // Written in one go, so that nothing comes between the two.
      if (asking) commands.command(['ASKING']).catch(() => undefined) // what follows fails as well
      return await commands.command(args)
    } catch (error) {
      const failure = asRedisFailure(error)
      const dispensable = failure.kind === 'noperm' && isOptional(String(args[0]))
      const ledElsewhere = sharded && isRedirection(failure)
      if (GENERAL.has(failure.kind) && !ledElsewhere && !dispensable) {
        refusing = true
        fail(failure)
        if (failure.kind === 'readonly') probing.soon()
      }
      throw failure
    }
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
          return probing.tag
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
      probing.stop()
      commands.close()
      subscriptions?.close()
      for (const connection of dedicated) connection.close()
      sentinels?.close()
    },
  }
}
