import type { EventEmitter } from 'node:events'

// biome-ignore lint/suspicious/noExplicitAny: as Node types them
type Listener = (this: any, ...args: any[]) => void

/** What Node keeps of an emitter's listeners, by event; more than one are an array. */
interface Emitter extends EventEmitter {
  _events: Record<string, Listener | Listener[]>
  _eventsCount: number
}

const nothing = Object.freeze(Object.create(null))

/**
 * Makes an emitter's listeners need a fifth of their memory. Node keeps them in a dictionary with room to
 * grow; those of a connection, of which there may be many thousands, have the same few events from
 * beginning to end, for which V8 needs no more than the values. One that changes becomes a dictionary
 * again. tests/unit/lean-listeners.test.ts fails when Node keeps its listeners elsewhere; nothing is done
 * then.
 */
export function compactListeners(emitter: unknown): void {
  if (keepsListeners(emitter)) replaceTable(emitter, nothing)
}

/**
 * Lets any number of emitters have the same listeners at no cost for each. They are as if each had been
 * added to each emitter, but that they cannot be removed one by one and `eventNames` does not tell them.
 *
 * @returns what gives them to an emitter, after those that it has
 */
export function shareListeners(
  listeners: Readonly<Record<string, Listener>>,
): (emitter: EventEmitter) => void {
  const shared = Object.assign(Object.create(null), listeners)
  const all = Object.entries(listeners)

  return (emitter) => {
    const inherits = keepsListeners(emitter)
    for (const [name, listener] of all) {
      if (!inherits || emitter.listenerCount(name) > 0) emitter.on(name, listener)
    }
    if (!inherits) return
    replaceTable(emitter, shared)
    emitter._eventsCount += all.length // at 0 Node makes another table
  }
}

function replaceTable(emitter: Emitter, prototype: object): void {
  emitter._events = Object.assign(Object.create(prototype), emitter._events)
}

function keepsListeners(emitter: unknown): emitter is Emitter {
  const { _events, _eventsCount } = (emitter ?? {}) as Partial<Emitter>
  return typeof _events === 'object' && typeof _eventsCount === 'number'
}
