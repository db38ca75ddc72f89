/** What this page reads of `GET /ops/data`; there is more in it. Times are ms since 1970. */
export interface OperationsData {
  instance: string
  boot: string
  now: number
  /** Forget what was shown: this is another process. */
  whole: boolean
  history: Stretch
  events: FeedEvent[]
  revision: number
  cluster: { known: boolean; instances: Instance[] }
  stats: {
    connections: { current: number }
    redis: { rooms: RedisState; cache: RedisState }
    instance: {
      status: string
      durability: string
      /** Unknown where absent. */
      appendOnly?: boolean
    }
  }
}

/** Columns of equal length, oldest first. */
export interface Stretch {
  times: number[]
  series: Record<string, (number | null)[]>
}

export interface FeedEvent {
  id: string
  instance: string
  kind: string
  mood: 'good' | 'info' | 'warn' | 'bad'
  words: string
  at: number
  count: number
  lastAt: number
}

export interface RedisState {
  state: 'memory' | 'starting' | 'ok' | 'down'
  /** ISO 8601. */
  since?: string
  kind?: string
  message?: string
  probeMs: number | null
}

export interface Instance {
  instance: string
  boot: string
  presence: 'live' | 'silent' | 'stopped' | 'unknown'
  ageMs: number
  status: string
  version: string
  uptimeSeconds: number
  connections: number
  rooms: number
  stored: number
  delivered: number
  reconnections: number
  sendP99Ms: number | null
  loopLagMs: number
  memoryBytes: number
  redis: { rooms: string; cache: string }
}
