import { find } from '../view/page.ts'
import type { FeedEvent } from './data.ts'
import { clock } from './words.ts'

const MAX_EVENTS = 200
const MOODS = { good: 'Good', info: 'Note', warn: 'Look', bad: 'Trouble' } as const

/** The feed, newest first. */
export interface EventList {
  add(events: readonly FeedEvent[]): void
  clear(): void
}

export function createEventList(): EventList {
  const list = find('events', HTMLOListElement)
  const nothing = find('no-events', HTMLElement)
  const events = new Map<string, FeedEvent>()

  function render(): void {
    const newest = [...events.values()].sort((a, b) => b.lastAt - a.lastAt).slice(0, MAX_EVENTS)
    events.clear()
    for (const event of newest) events.set(event.id, event)
    nothing.hidden = newest.length > 0
    list.replaceChildren(...newest.map(itemOf))
  }

  return {
    add(changed) {
      if (changed.length === 0) return
      for (const event of changed) events.set(event.id, event)
      render()
    },
    clear() {
      events.clear()
      render()
    },
  }
}

function itemOf({ kind, mood, instance, words, count, lastAt }: FeedEvent): HTMLLIElement {
  const item = document.createElement('li')
  item.dataset['kind'] = kind
  item.dataset['mood'] = mood
  const time = document.createElement('time')
  time.dateTime = new Date(lastAt).toISOString()
  time.textContent = clock(lastAt)
  item.append(
    time,
    part('mood', MOODS[mood] ?? 'Note'),
    part('of', instance),
    part('words', count > 1 ? `${words} (${count} times)` : words),
  )
  return item
}

function part(className: string, text: string): HTMLSpanElement {
  const span = document.createElement('span')
  span.className = className
  span.textContent = text
  return span
}
