import type { InstanceSummary } from '../../server/observability/directory.ts'

/** An instance that has nothing to do. */
export function summaryOf(instance: string, more: Partial<InstanceSummary> = {}): InstanceSummary {
  return {
    ...{ instance, boot: `boot of ${instance}`, version: '1.2.3', status: 'ok', uptimeSeconds: 1 },
    ...{ connections: 0, rooms: 0, members: 0, stored: 0, delivered: 0, reconnections: 0 },
    ...{ duplicates: 0, cacheHits: 0, cacheMisses: 0 },
    ...{ sendP99Ms: null, loopLagMs: 0, memoryBytes: 0, events: [] },
    redis: { rooms: 'ok', cache: 'ok' },
    ...more,
  }
}
