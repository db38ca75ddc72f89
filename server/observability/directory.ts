import type { FeedEvent } from './feed.ts'
import type { RedisHealth } from './redis-events.ts'

/** One instance as it shows itself to the others: a few figures, no secrets, well under 4 kB. */
export interface InstanceSummary {
  instance: string
  /** Random at every start: tells a new process from one that fell silent, whatever they are called. */
  boot: string
  version: string
  /** As in `/health`; `stopped` is the last thing an instance says. */
  status: 'ok' | 'degraded' | 'starting' | 'draining' | 'stopped'
  uptimeSeconds: number
  connections: number
  rooms: number
  members: number
  /** Messages stored, messages handed to connections, reconnections: of the last second. */
  stored: number
  delivered: number
  reconnections: number
  /** Since its start. */
  duplicates: number
  cacheHits: number
  cacheMisses: number
  /** Null where nothing was sent. */
  sendP99Ms: number | null
  loopLagMs: number
  memoryBytes: number
  redis: { rooms: RedisHealth['state']; cache: RedisHealth['state'] }
  /** What others should know that happened to it lately. */
  events: readonly FeedEvent[]
}

/** An instance's last summary, and how long ago the store received it. */
export interface Sighting {
  summary: InstanceSummary
  ageMs: number
}

/**
 * Where instances find each other. Ages are by the store's clock, so that instances need not agree on
 * the time. What it holds may be lost; the next exchange puts back what matters.
 */
export interface InstanceDirectory {
  /**
   * Leaves one's summary and takes everybody's, one's own included, in one atomic step and one round
   * trip. Those not renewed for a minute are forgotten. Rejects while the store is away, at once where
   * that is known.
   */
  exchange(own: InstanceSummary): Promise<Sighting[]>
}

/** How long a summary is kept that nobody renews, ms. */
export const KEEP_MS = 60_000
