import { setTimeout as sleep } from 'node:timers/promises'
import type { Address, CommandArguments, Endpoint } from './client.ts'
import { createClusterChannels } from './cluster-channels.ts'
import { type Redirection, RedisFailure } from './failure.ts'
import type { Dedicated, LinkObserver, LinkState, RedisLink, RedisRole } from './link.ts'
import { createIdleProbe, type Probe, probeTag } from './probes.ts'
import { createRedisLink, type ShardLink } from './server-link.ts'
import { keyOf, nameOf, slotOf } from './slots.ts'
import { createSlotMap } from './topology.ts'

export interface ClusterLinkDeps {
  role: RedisRole
  /** Credentials and TLS, the same for all nodes; host and port are not used. */
  endpoint: () => Endpoint
  /** Nodes to begin with; one that answers is enough. */
  seeds: readonly Address[]
  /** What proves that a primary works, with keys of this hash tag. */
  probe: (tag: string) => Probe
  observer: LinkObserver
}

/** One primary, or a node that is about to become one. */
interface Shard {
  address: Address
  link: ShardLink
  serving: ((key: string) => Dedicated | undefined) | undefined
  /** When a redirection last led here. */
  askedAt: number
}

/** While something is wrong, nodes are asked this often who serves what; otherwise seldom. */
const TROUBLED_MS = 300
const CALM_MS = 15_000
/** A command that is led from node to node, or that waits for a slot on its way, is given up (D7). */
const REDIRECTED_MS = 1000
const LATER_MS = 25
/** A primary that has just appeared may be connected to first. */
const STARTING_MS = 1000
/** A node that serves nothing is kept for as long after a redirection led there. */
const KEPT_MS = 10_000
/** Random tags until one is in a slot of a primary's: it may have few. */
const MAX_TAGS = 60_000

/**
 * A link to a Redis Cluster: one of `createRedisLink` for each primary. Commands and sharded channels go
 * to the primary that serves their slot; what a node redirects is led there. A slot that goes to another
 * primary, by a fail-over or a move, takes its channels with it: they are subscribed anew, which is an
 * interruption like any other, after which `onRestored` is called.
 *
 * It is `down` while any primary is, or a slot has none; what the other primaries serve works on.
 */
export function createClusterLink(deps: ClusterLinkDeps): RedisLink {
  const { observer } = deps
  const receives = deps.probe('').channel !== undefined
  const shards = new Map<string, Shard>()
  const changeListeners: ((state: LinkState) => void)[] = []
  const restoredListeners: (() => void)[] = []
  let state: LinkState = { name: 'starting' }
  let dedicated = false
  let closed = false
  let interrupted = false
  /** What is published without a shard reaches every node: one of them is listened to. */
  let listener: Shard | undefined
  const patterns: Parameters<RedisLink['subscribePattern']>[] = []
  let recovering: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let announceReady: () => void = () => undefined
  const ready = new Promise<void>((resolve) => {
    announceReady = resolve
  })

  const slots = createSlotMap({
    endpoint: deps.endpoint,
    seeds: deps.seeds,
    works: (address) => shards.get(nameOf(address))?.link.state.name === 'ok',
    changed: arrange,
    failed(failure) {
      failed(failure)
      // Where primaries are known, they say by themselves whether they work.
      if (shards.size === 0) down(failure)
    },
  })

  const channels = createClusterChannels({
    serving: (slot) => ownerOf(slot)?.link,
    recover,
    interrupted() {
      interrupted = true
    },
    changed: settle,
  })

  function failed(failure: RedisFailure): void {
    if (state.name === 'down') state.failures += 1
    observer.failed(failure)
  }

  function shardAt(address: Address): Shard {
    const name = nameOf(address)
    const known = shards.get(name)
    if (known !== undefined) return known
    const { role, endpoint } = deps
    const probe = () => probeFor(name)
    const link = createRedisLink(
      {
        role,
        endpoint: () => ({ ...endpoint(), ...address, database: 0 }),
        probe: probe(),
        observer: { failed, changed: settle, probed: observer.probed },
      },
      { probe, receives, moved: (lost, where) => lose(shard, lost, where) },
    )
    const serving = dedicated ? link.dedicated() : undefined
    const shard: Shard = { address, link, serving, askedAt: performance.now() }
    link.onRestored(() => {
      interrupted = true
      settle()
      // What is whole does not wait for the rest, with which all are told once more.
      if (interrupted) announceRestored()
    })
    shards.set(name, shard)
    return shard
  }

  /** With a hash tag whose slot that primary serves, another one each time. */
  function probeFor(name: string): Probe {
    const serves = () => slots.primaries().has(name)
    for (let tries = 0; serves() && tries < MAX_TAGS; tries += 1) {
      const tag = probeTag()
      const owner = slots.ownerOf(slotOf(tag))
      if (owner !== undefined && nameOf(owner) === name) return deps.probe(tag)
    }
    return createIdleProbe(serves)
  }

  /** Links to the primaries there are now, channels where their slots are. */
  function arrange(): void {
    if (closed) return
    for (const address of slots.primaries().values()) shardAt(address)
    channels.arrange()
    for (const [name, { link, askedAt }] of shards) {
      if (slots.primaries().has(name) || performance.now() - askedAt < KEPT_MS) continue
      shards.delete(name)
      link.close()
    }
    listen()
    settle()
  }

  function listen(): void {
    if (listener !== undefined && shards.get(nameOf(listener.address)) === listener) return
    listener = shards.values().next().value
    for (const pattern of patterns) listener?.link.subscribePattern(...pattern)
  }

  /** Asks who serves what, then brings home every channel that is nowhere. */
  function recover(first?: Address): Promise<void> {
    recovering ??= slots.refresh(first).then(() => {
      recovering = undefined
      arrange()
    })
    return recovering
  }

  function lose(shard: Shard, lost: readonly string[], where: Redirection | undefined): void {
    channels.lost(shard.link, lost)
    if (where !== undefined && where.type !== 'later') slots.moved(where.slot, target(shard, where))
    void recover(shard.address)
  }

  function enter(next: LinkState): void {
    state = next
    observer.changed(next)
    for (const listener of changeListeners) listener(next)
  }

  function down({ kind, message }: Pick<RedisFailure, 'kind' | 'message'>): void {
    if (state.name !== 'down') {
      enter({ name: 'down', since: Date.now(), kind, message, failures: 1 })
      askSoon()
    } else if (kind !== state.kind) {
      enter({ name: 'down', since: state.since, kind, message, failures: state.failures })
    }
  }

  /** The state of the whole, from those of its parts; and whoever waits for it to be restored is told. */
  function settle(): void {
    if (closed) return
    const parts = [...slots.primaries().keys()].map((name) => ({
      name,
      link: shards.get(name)?.link,
    }))
    for (const { name, link } of parts) {
      if (link?.state.name !== 'down') continue
      const { kind, message } = link.state
      down({ kind, message: `${message} (${name})` })
      return
    }
    if (!slots.whole) {
      if (parts.length > 0) down(new RedisFailure('cluster'))
      return
    }
    const starting = parts.some(({ link }) => link?.state.name !== 'ok')
    if (starting) return // a new one; whether the whole works remains what it was
    if (state.name !== 'ok') enter({ name: 'ok', since: Date.now() })
    announceReady()
    if (!interrupted || !channels.settled) return
    interrupted = false
    announceRestored()
  }

  function announceRestored(): void {
    for (const listener of restoredListeners) listener()
  }

  function askSoon(): void {
    clearTimeout(timer)
    if (closed) return
    const pause = state.name === 'ok' ? CALM_MS : TROUBLED_MS
    timer = setTimeout(() => void recover().then(askSoon), pause * (0.9 + Math.random() / 5))
    timer.unref()
  }

  function ownerOf(slot: number): Shard | undefined {
    const owner = slots.ownerOf(slot)
    return owner === undefined ? undefined : shardAt(owner)
  }

  /** Who is asked what any of them can answer. */
  function anyShard(): Shard | undefined {
    const all = [...shards.values()]
    return all.find(({ link }) => link.state.name === 'ok') ?? all[0]
  }

  function target(from: Shard, { host, port }: Exclude<Redirection, { type: 'later' }>): Address {
    return { host: host === '' ? from.address.host : host, port }
  }

  async function command(args: CommandArguments): Promise<unknown> {
    const key = keyOf(args)
    const slot = key === undefined ? undefined : slotOf(key)
    const begun = performance.now()
    let asked: Shard | undefined
    for (;;) {
      const shard: Shard | undefined = asked ?? (slot === undefined ? anyShard() : ownerOf(slot))
      if (shard === undefined) {
        throw new RedisFailure(state.name === 'down' ? state.kind : 'closed')
      }
      const { link } = shard
      if (link.state.name === 'starting') {
        await Promise.race([link.ready, sleep(STARTING_MS, undefined, { ref: false })])
      }
      try {
        return await (asked === undefined ? link.command(args) : link.commandAsking(args))
      } catch (error) {
        const redirection = error instanceof RedisFailure ? error.redirection : undefined
        if (redirection === undefined || performance.now() - begun > REDIRECTED_MS) throw error
        asked = undefined
        if (redirection.type === 'later') await sleep(LATER_MS)
        else if (redirection.type === 'ask') {
          asked = shardAt(target(shard, redirection))
          asked.askedAt = performance.now()
        } else {
          slots.moved(redirection.slot, target(shard, redirection))
          void recover()
        }
      }
    }
  }

  void recover().then(askSoon)

  return {
    get state() {
      return state
    },
    ready,
    sharded: true,
    command,
    commandEach: (args) =>
      Promise.all([...slots.primaries().values()].map((each) => shardAt(each).link.command(args))),
    subscribe: channels.subscribe,
    unsubscribe: channels.unsubscribe,
    subscribePattern(...pattern) {
      patterns.push(pattern)
      listener?.link.subscribePattern(...pattern)
    },
    dedicated() {
      dedicated = true
      for (const shard of shards.values()) shard.serving ??= shard.link.dedicated()
      return (key) => ownerOf(slotOf(key))?.serving?.(key)
    },
    async reauthenticate(password) {
      const links = [...shards.values()].map(({ link }) => link.reauthenticate(password))
      return (await Promise.all(links)).flat()
    },
    onRestored: (listener) => void restoredListeners.push(listener),
    onChange: (listener) => void changeListeners.push(listener),
    close() {
      closed = true
      clearTimeout(timer)
      slots.close()
      for (const { link } of shards.values()) link.close()
    },
  }
}
