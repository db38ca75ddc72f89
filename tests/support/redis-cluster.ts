import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { type RedisOptions, type RedisServer, redisQuote, startRedis } from './redis-server.ts'
import type { Scope } from './scope.ts'

const SLOTS = 16_384
/** Each look is a process per node: many of them keep the nodes from what is waited for. */
const LOOK_MS = 100

/** A Redis Cluster of real servers on loopback ports: as many replicas as primaries. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[]
  readonly password: string | undefined
  /** `host:port` of every node, separated by commas: what follows `redis://`. */
  readonly hosts: string
  /** Who serves a slot, as a running node sees it. */
  ownerOf(slot: number): Promise<RedisServer>
  /** Those that serve slots and run. */
  primaries(): Promise<RedisServer[]>
  /** A running replica of a primary. */
  replicaOf(primary: RedisServer): Promise<RedisServer>
  /** Resolves when every running node says that the cluster works, and every replica is linked. */
  whole(): Promise<void>
  /**
   * Moves a slot with its keys to another primary, as `redis-cli --cluster reshard` does.
   *
   * @param between called while the slot is on its way, half of its keys here and half there
   */
  moveSlot(slot: number, to: RedisServer, between?: () => Promise<void>): Promise<void>
  /** A replica takes over from a primary that works (CLUSTER FAILOVER); returns it. */
  failOver(primary: RedisServer): Promise<RedisServer>
  /** Resolves when another node serves what this one did. */
  replaced(primary: RedisServer): Promise<void>
  /** SIGSTOP; nobody asks it anything until `thaw`. */
  freeze(node: RedisServer): void
  thaw(node: RedisServer): void
  /** A command for whoever has the key. */
  cli(key: string, ...args: string[]): Promise<string>
}

export interface ClusterOptions
  extends Pick<RedisOptions, 'requirepass' | 'tls' | 'mutualTls' | 'appendonly' | 'config'> {
  primaries?: number
  /**
   * After which a silent node counts as failed, ms. Only where a fail-over is waited for is it short: a disk
   * that stalls for a second, as under parallel tests, must not look like a crash elsewhere.
   */
  nodeTimeoutMs?: number
}

export async function startRedisCluster(
  scope: Scope,
  options: ClusterOptions = {},
): Promise<RedisCluster> {
  const { primaries: count = 3, nodeTimeoutMs = 15_000, ...redisOptions } = options
  const { requirepass, tls } = redisOptions
  const nodes = await Promise.all(
    Array.from({ length: 2 * count }, async () => {
      const config = [
        'cluster-enabled yes',
        'cluster-config-file nodes.conf',
        `cluster-node-timeout ${nodeTimeoutMs}`,
        `cluster-port ${await freePort()}`,
        'cluster-announce-ip 127.0.0.1',
        // Also one that was away for long may take over; a replica copies at once.
        'cluster-replica-validity-factor 0',
        'cluster-allow-replica-migration no',
        'repl-diskless-sync-delay 0',
        ...(requirepass === undefined ? [] : [`masterauth ${redisQuote(requirepass)}`]),
        ...(tls === undefined ? [] : ['tls-cluster yes', 'tls-replication yes']),
        ...(options.config ?? []),
      ]
      return startRedis(scope, { ...redisOptions, rights: 'all', config })
    }),
  )
  const ids = new Map<RedisServer, string>()
  for (const node of nodes) ids.set(node, await node.cli('CLUSTER', 'MYID'))
  const idOf = (node: RedisServer): string => ids.get(node) ?? ''
  const byId = (id: string) => nodes.find((node) => idOf(node) === id)
  const frozen = new Set<RedisServer>()
  const running = () => nodes.filter((node) => node.running && !frozen.has(node))

  /** Lines of CLUSTER NODES as the first running node has them. */
  async function view(of?: RedisServer): Promise<Line[]> {
    const node = of ?? running()[0]
    if (node === undefined) throw new Error('no node runs')
    return linesOf(await node.cli('CLUSTER', 'NODES'))
  }

  async function healthy(node: RedisServer): Promise<boolean> {
    const info = await node.cli('CLUSTER', 'INFO').catch(() => '')
    if (!info.includes('cluster_state:ok') || !info.includes(`cluster_slots_ok:${SLOTS}`))
      return false
    const role = await node.cli('ROLE').catch(() => '')
    return !role.startsWith('slave') || role.includes('connected')
  }

  const cluster: RedisCluster = {
    nodes,
    password: requirepass,
    hosts: nodes.map(({ port }) => `127.0.0.1:${port}`).join(','),
    async ownerOf(slot) {
      const line = (await view()).find(({ slots }) =>
        slots.some(([from, to]) => from <= slot && slot <= to),
      )
      const node = line && byId(line.id)
      if (node === undefined) throw new Error(`nobody serves slot ${slot}`)
      return node
    },
    async primaries() {
      const lines = (await view()).filter(({ slots }) => slots.length > 0)
      return lines.flatMap(({ id }) => byId(id) ?? []).filter((node) => node.running)
    },
    async replicaOf(primary) {
      const lines = await view(running().includes(primary) ? primary : undefined)
      const own = lines.filter(({ of }) => of === idOf(primary))
      const replica = own.map(({ id }) => byId(id)).find((node) => node && running().includes(node))
      if (replica === undefined) throw new Error('that primary has no replica')
      return replica
    },
    async whole() {
      await eventually(
        async () => (await Promise.all(running().map(healthy))).every((each) => each),
        { what: 'a whole cluster', intervalMs: LOOK_MS, timeoutMs: 30_000 },
      )
    },
    async moveSlot(slot, to, between) {
      const from = await cluster.ownerOf(slot)
      if (from === to) return
      const set = (node: RedisServer, ...args: string[]) =>
        node.cli('CLUSTER', 'SETSLOT', String(slot), ...args)
      await set(to, 'IMPORTING', idOf(from))
      await set(from, 'MIGRATING', idOf(to))
      const auth = requirepass === undefined ? [] : ['AUTH', requirepass]
      for (let batch = 0; ; batch += 1) {
        const all = await from.cli('CLUSTER', 'GETKEYSINSLOT', String(slot), '1000')
        const keys = all.split('\n').filter((key) => key !== '')
        if (keys.length === 0) break
        const some = batch === 0 ? keys.slice(0, Math.ceil(keys.length / 2)) : keys
        const target = ['127.0.0.1', String(to.port), '', '0', '5000', 'REPLACE']
        // On a busy machine one may take too long: then it is still here, and goes again.
        await eventually(
          async () =>
            /^(OK|NOKEY)/.test(await from.cli('MIGRATE', ...target, ...auth, 'KEYS', ...some)),
          { what: 'a slot that can be moved', intervalMs: LOOK_MS, timeoutMs: 20_000 },
        )
        if (batch === 0) await between?.()
      }
      await set(to, 'NODE', idOf(to))
      await set(from, 'NODE', idOf(to))
    },
    async failOver(primary) {
      const replica = await cluster.replicaOf(primary)
      await replica.cli('CLUSTER', 'FAILOVER')
      await eventually(async () => (await replica.cli('ROLE')).startsWith('master'), {
        what: 'a replica that takes over',
        intervalMs: LOOK_MS,
        timeoutMs: 15_000,
      })
      return replica
    },
    async replaced(primary) {
      await eventually(
        async () => {
          const line = (await view()).find(({ id }) => id === idOf(primary))
          return line?.slots.length === 0
        },
        { what: 'a replica that replaces its primary', intervalMs: LOOK_MS, timeoutMs: 20_000 },
      )
    },
    freeze(node) {
      frozen.add(node)
      node.pause()
    },
    thaw(node) {
      node.resume()
      frozen.delete(node)
    },
    async cli(key, ...args) {
      const [any] = running()
      const slot = Number(await any?.cli('CLUSTER', 'KEYSLOT', key))
      return (await cluster.ownerOf(slot)).cli(...args)
    },
  }

  await form(cluster, count, idOf)
  return cluster
}

/** As `redis-cli --cluster create` does it, without its pauses. */
async function form(
  cluster: RedisCluster,
  count: number,
  idOf: (node: RedisServer) => string,
): Promise<void> {
  const { nodes } = cluster
  const [first] = nodes
  if (first === undefined) throw new Error('a cluster of nothing')
  for (const [index, node] of nodes.entries()) {
    await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
    if (index >= count) continue
    const from = Math.floor((index * SLOTS) / count)
    const to = Math.floor(((index + 1) * SLOTS) / count) - 1
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
  }
  for (const node of nodes.slice(1)) {
    const bus = (await node.cli('CONFIG', 'GET', 'cluster-port')).split('\n')[1] ?? ''
    await first.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port), bus)
  }
  for (const [index, replica] of nodes.slice(count).entries()) {
    const primary = nodes[index] as RedisServer
    await eventually(
      async () => (await replica.cli('CLUSTER', 'REPLICATE', idOf(primary))) === 'OK',
      { what: 'a replica that knows its primary', intervalMs: LOOK_MS, timeoutMs: 20_000 },
    )
  }
  // Everybody knows everybody, replicas included: whoever starts is shown the whole.
  await eventually(
    async () => {
      const views = await Promise.all(nodes.map((node) => node.cli('CLUSTER', 'NODES')))
      return views.every((view) => {
        const lines = linesOf(view)
        return (
          lines.length === nodes.length && lines.filter(({ of }) => of !== '-').length === count
        )
      })
    },
    { what: 'a cluster whose nodes know each other', intervalMs: LOOK_MS, timeoutMs: 20_000 },
  )
  await cluster.whole()
}

interface Line {
  id: string
  /** The primary of a replica, else `-`. */
  of: string
  slots: [from: number, to: number][]
}

function linesOf(reply: string): Line[] {
  return reply.split('\n').map((line) => {
    const [id = '', , , of = '-', , , , , ...ranges] = line.split(' ')
    const slots = ranges
      .filter((range) => /^\d/.test(range))
      .map((range): [number, number] => {
        const [from, to] = range.split('-')
        return [Number(from), Number(to ?? from)]
      })
    return { id, of, slots }
  })
}
