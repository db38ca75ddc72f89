/** What Node keeps of an emitter's listeners: a function or an array of them by event. */
interface Emitter {
  _events: object
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
  if (!keepsListeners(emitter)) return
  emitter._events = Object.assign(Object.create(nothing), emitter._events)
}

function keepsListeners(emitter: unknown): emitter is Emitter {
  const { _events, _eventsCount } = (emitter ?? {}) as Partial<Emitter>
  return typeof _events === 'object' && typeof _eventsCount === 'number'
}
