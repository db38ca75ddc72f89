/** Listeners of one kind of event. */
export interface Topic<Value> {
  publish(value: Value): void
  /** Returns the function that ends the subscription. */
  subscribe(listener: (value: Value) => void): () => void
}

export function createTopic<Value>(): Topic<Value> {
  const listeners = new Set<(value: Value) => void>()
  return {
    publish(value) {
      for (const listener of [...listeners]) listener(value)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
