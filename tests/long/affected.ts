import type { Entry, HistoryEvent } from '../chaos/history.ts'
import { largest } from './settings.ts'

export interface Affected {
  /** Views (one client, one room) that saw something which the log no longer has. */
  views: number
  /** Of those: who was told, by `room:reset` or by `recovered: false`, after the last such thing. */
  told: number
  /** Those who went on without being told. */
  silent: string[]
  /** From the loss until the last of them was told, ms; those who were away came back in that time. */
  slowestMs: number
}

/**
 * Whom a loss concerns, from what clients saw and from the final logs as Redis has them: the gateway is
 * not asked. A message is gone where its offset holds another one or none now.
 */
export function findAffected(events: readonly HistoryEvent[], lostAt: number): Affected {
  const logs = new Map<string, Map<number, Entry>>()
  for (const fact of events) {
    if (fact.type !== 'final' || fact.source !== 'store') continue
    logs.set(fact.room, new Map(fact.entries.map((entry) => [entry.offset, entry])))
  }
  const gone = (room: string, { offset, id, at }: Entry): boolean => {
    const now = logs.get(room)?.get(offset)
    return now?.id !== id || now.at !== at
  }

  const affected = new Set<string>()
  const silent = new Set<string>()
  const toldAt = new Map<string, number>()
  for (const fact of events) {
    if (!('client' in fact) || !('room' in fact)) continue
    const view = `${fact.client} in ${fact.room}`
    const seen = fact.type === 'message' ? [fact] : fact.type === 'joined' ? fact.messages : []
    const told =
      fact.type === 'reset' ||
      (fact.type === 'joined' && fact.since !== undefined && !fact.recovered)
    if (told && silent.delete(view)) toldAt.set(view, fact.t)
    if (!seen.some((entry) => gone(fact.room, entry))) continue
    affected.add(view)
    silent.add(view)
  }
  return {
    views: affected.size,
    told: affected.size - silent.size,
    silent: [...silent],
    slowestMs: largest(toldAt.values()) - lostAt,
  }
}
