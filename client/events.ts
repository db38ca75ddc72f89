/** Listeners by event. */
export interface Listenable<Events> {
  /**
   * Calls `listener` from now on; returns what ends that. One that throws is reported as an uncaught
   * error, and the others still hear.
   */
  on<Event extends keyof Events>(event: Event, listener: (of: Events[Event]) => void): () => void
}

export interface Emitter<Events> extends Listenable<Events> {
  emit<Event extends keyof Events>(event: Event, of: Events[Event]): void
  clear(): void
}

export function createEmitter<Events>(): Emitter<Events> {
  let listeners: (readonly [keyof Events, (of: never) => void])[] = []
  return {
    on(event, listener) {
      const entry = [event, listener] as const
      listeners = [...listeners, entry]
      return () => {
        listeners = listeners.filter((other) => other !== entry)
      }
    },
    emit(event, of) {
      for (const [name, listener] of listeners) {
        if (name !== event) continue
        try {
          listener(of as never)
        } catch (error) {
          setTimeout(() => {
            throw error
          })
        }
      }
    },
    clear() {
      listeners = []
    },
  }
}
