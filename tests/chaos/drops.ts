import type { HistoryEvent } from './history.ts'
import type { Violation } from './view.ts'

/** How long after a fault a connection may still end because of it: two missed pings and some. */
const AFTERMATH_MS = 12_000

/**
 * Connections that ended although nothing was done to their client or to the instance that served it
 * (D7: a Redis in trouble drops nobody).
 */
export function unexplainedDrops(events: readonly HistoryEvent[]): Violation[] {
  const drops: Violation[] = []
  const served = new Map<string, string>()
  /** By client or instance: until when its connections may end. */
  const excused = new Map<string, number>()
  for (const [index, fact] of events.entries()) {
    if (fact.type === 'served') served.set(fact.client, fact.instance)
    else if (fact.type === 'fault' && /^(instance|client)-/.test(fact.kind)) {
      const until = fact.phase === 'begin' ? Number.POSITIVE_INFINITY : fact.t + AFTERMATH_MS
      excused.set(fact.target, until)
    } else if (fact.type === 'end') {
      served.delete(fact.client)
    } else if (fact.type === 'disconnected') {
      const instance = served.get(fact.client)
      served.delete(fact.client)
      // Without an instance it had hardly connected; the fault that hit it may be anyone's.
      const places = instance === undefined ? [...excused.keys()] : [instance, fact.client]
      if (places.some((place) => (excused.get(place) ?? 0) >= fact.t)) continue
      const { client, reason } = fact
      const text = `${reason}, served by ${instance ?? 'nobody yet'}`
      drops.push({ kind: 'dropped', room: '', client, ids: [], text, events: [index] })
    }
  }
  return drops
}
