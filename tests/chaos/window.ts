import type { HistoryEvent } from './history.ts'
import { show, type Violation } from './view.ts'

const MAX_LINES = 40
/** Events of the same client and room shown on either side of the place. */
const NEIGHBOURS = 3

/**
 * The smallest part of the history in which a violation can be understood: its own events, their
 * neighbours in the same client's view, who sent, acknowledged and first saw the ids, and the faults
 * under way.
 */
export function showWindow(events: readonly HistoryEvent[], violation: Violation): string {
  const { client, room, ids } = violation
  const chosen = new Set<number>(violation.events)
  for (const place of violation.events) {
    const concerns = (fact: HistoryEvent): boolean =>
      'client' in fact && fact.client === client && (!('room' in fact) || fact.room === room)
    for (const step of [-1, 1]) {
      let left = NEIGHBOURS
      for (
        let index = place + step;
        left > 0 && index >= 0 && index < events.length;
        index += step
      ) {
        const fact = events[index]
        if (fact === undefined || !concerns(fact)) continue
        chosen.add(index)
        left -= 1
      }
    }
  }
  const wanted = new Set(ids)
  const sightings = new Map<string, number>()
  events.forEach((fact, index) => {
    if (!('id' in fact) || !wanted.has(fact.id) || fact.room !== room) return
    const key = `${fact.type} ${fact.id}`
    const seen = sightings.get(key) ?? 0
    sightings.set(key, seen + 1)
    if (seen < 2) chosen.add(index)
  })
  const times = [...violation.events].map((index) => events[index]?.t ?? 0)
  const from = Math.min(...times) - 3000
  const to = Math.max(...times) + 500
  events.forEach((fact, index) => {
    if (fact.type === 'fault' && fact.t >= from && fact.t <= to) chosen.add(index)
  })

  const shown = [...chosen].sort((a, b) => a - b)
  const start = events[0]?.t ?? 0
  const lines = shown.slice(0, MAX_LINES).map((index) => {
    const fact = events[index]
    const mark = violation.events.includes(index) ? '>' : ' '
    return fact === undefined ? '' : `${mark} #${index} +${fact.t - start} ms ${describe(fact)}`
  })
  if (shown.length > MAX_LINES) lines.push(`  … ${shown.length - MAX_LINES} more`)
  const where = [client, room, ids.join(', ')].filter((part) => part !== undefined && part !== '')
  return [`${violation.kind}: ${violation.text} (${where.join(' · ')})`, ...lines].join('\n')
}

function describe(fact: HistoryEvent): string {
  const who = 'client' in fact ? `${fact.client} ` : ''
  switch (fact.type) {
    case 'message':
      return `${who}message ${show(fact)} ${fact.id}`
    case 'acked':
      return `${who}acked ${fact.id} ${show(fact.position)}${fact.duplicate ? ' duplicate' : ''}`
    case 'joined': {
      const since = fact.since === undefined ? '' : ` since ${show(fact.since)}`
      const span = fact.messages.length === 0 ? 'nothing' : spanOf(fact.messages)
      return `${who}joined${since} → ${show(fact.position)} recovered ${fact.recovered}, ${span}`
    }
    case 'history':
      return `${who}history ${spanOf(fact.messages)}`
    case 'reset':
      return `${who}reset to ${show(fact.position)}`
    case 'final':
      return `final log by ${fact.source}: epoch ${fact.epoch}, ${spanOf(fact.entries)}`
    default: {
      const { type, t: _, client: __, ...rest } = fact as HistoryEvent & { client?: string }
      return `${who}${type} ${JSON.stringify(rest)}`
    }
  }
}

function spanOf(entries: { offset: number }[]): string {
  const first = entries[0]?.offset
  return first === undefined ? 'empty' : `${first}..${entries.at(-1)?.offset} (${entries.length})`
}
