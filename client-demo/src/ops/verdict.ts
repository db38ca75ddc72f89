import type { OperationsData, RedisState } from './data.ts'
import type { Recent } from './recent.ts'
import { duration, inWords } from './words.ts'

/** How something is, in a value, a sentence, and one of four states. */
export interface Verdict {
  state: 'good' | 'warn' | 'bad' | 'none'
  value: string
  words: string
}

export type TileName = 'redis-rooms' | 'redis-cache' | 'instances' | 'connections' | 'send' | 'loop'

/** A person notices the first, and complains of the second; ms. */
const SEND_MS = [100, 500] as const
/** At the second an instance begins to shed load. */
const LOOP_MS = [50, 150] as const
/** Figures that come in bursts are taken from this many seconds. */
const LOOK_BACK_S = 10

/** What an operator has to know first, from what the gateway says. */
export function judge(data: OperationsData, recent: Recent): Record<TileName, Verdict> {
  const { redis, connections } = data.stats
  const inAll = recent.last('connectionsAll', 2)
  return {
    'redis-rooms': ofRoomsRedis(data),
    'redis-cache': ofRedis(redis.cache, data.now, 'warn'),
    instances: ofInstances(data),
    connections: {
      state: 'none',
      value: inWords(connections.current, 'count'),
      words: `Here; ${inAll === null ? 'elsewhere unknown' : `${inWords(inAll, 'count')} in all`}`,
    },
    send: ofLatency(recent.last('sendP99', LOOK_BACK_S), SEND_MS, 'Nothing was sent lately'),
    loop: ofLatency(recent.last('loopP99', LOOK_BACK_S), LOOP_MS, 'Not measured yet'),
  }
}

/** One sentence for everything, and the worst state. */
export function sumUp(tiles: Record<TileName, Verdict>): Verdict {
  const named: [string, Verdict][] = [
    ['Redis for rooms', tiles['redis-rooms']],
    ['Redis for the cache', tiles['redis-cache']],
    ['Instances', tiles.instances],
    ['Sending', tiles.send],
    ['The event loop', tiles.loop],
  ]
  const bad = named.filter(([, { state }]) => state === 'bad')
  const warn = named.filter(([, { state }]) => state === 'warn')
  const troubles = [...bad, ...warn].map(([name, { value }]) => `${name}: ${value.toLowerCase()}`)
  if (troubles.length === 0) return { state: 'good', value: 'All is well', words: '' }
  return { state: bad.length > 0 ? 'bad' : 'warn', value: troubles.join(' · '), words: '' }
}

/** A Redis that works, and yet loses messages sooner or later, is not well. */
function ofRoomsRedis({ now, stats: { redis, instance } }: OperationsData): Verdict {
  const verdict = ofRedis(redis.rooms, now, 'bad')
  if (redis.rooms.state !== 'ok') return verdict
  if (instance.durability === 'best-effort') {
    const words = 'Its maxmemory-policy is not noeviction, or it does not say'
    return { state: 'warn', value: 'May evict messages', words }
  }
  if (instance.appendOnly === false) {
    const words = 'It has no append-only file: a restart of it loses messages'
    return { state: 'warn', value: 'Not on its disk', words }
  }
  return verdict
}

function ofRedis(redis: RedisState, now: number, whenDown: 'bad' | 'warn'): Verdict {
  const forMs = redis.since === undefined ? 0 : now - Date.parse(redis.since)
  switch (redis.state) {
    case 'memory':
      return { state: 'none', value: 'Memory', words: 'No Redis: nothing outlives this process' }
    case 'starting':
      return { state: 'warn', value: 'Starting', words: 'Not connected yet' }
    case 'ok':
      return {
        state: 'good',
        value: 'Working',
        words: `For ${duration(forMs)}; a probe takes ${inWords(redis.probeMs, 'ms')}`,
      }
    case 'down':
      return {
        state: whenDown,
        value: `Down (${redis.kind})`,
        words: `For ${duration(forMs)}: ${redis.message}`,
      }
  }
}

function ofInstances({ cluster, stats }: OperationsData): Verdict {
  const count = (presence: string) =>
    cluster.instances.filter((instance) => instance.presence === presence).length
  const live = `${count('live')} live`
  if (stats.redis.rooms.state === 'memory') {
    return { state: 'none', value: live, words: 'Rooms are in memory: instances share nothing' }
  }
  if (!cluster.known) {
    const words = 'The directory is in Redis; only this instance is known to live'
    return { state: 'warn', value: 'Others unknown', words }
  }
  const silent = cluster.instances.filter(({ presence }) => presence === 'silent')
  if (silent.length > 0) {
    const names = silent.map(({ instance }) => instance).join(', ')
    return { state: 'bad', value: `${live}, ${silent.length} silent`, words: `Silent: ${names}` }
  }
  const draining = cluster.instances.filter(({ status }) => status === 'draining')
  if (draining.length > 0) {
    const names = draining.map(({ instance }) => instance).join(', ')
    return {
      state: 'warn',
      value: `${live}, ${draining.length} draining`,
      words: `Draining: ${names}`,
    }
  }
  return { state: 'good', value: live, words: 'All of them answer' }
}

function ofLatency(
  ms: number | null,
  [slow, bad]: readonly [number, number],
  none: string,
): Verdict {
  if (ms === null) return { state: 'none', value: '–', words: none }
  const value = inWords(ms, 'ms')
  if (ms >= bad) return { state: 'bad', value, words: `Bad: ${bad} ms or more` }
  if (ms >= slow) return { state: 'warn', value, words: `Slow: ${slow} ms or more` }
  return { state: 'good', value, words: 'As it should be' }
}
