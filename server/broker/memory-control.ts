import type { ControlMessage, ControlStore, Revocation } from '../session/revocations.ts'
import type { MemoryStore } from './memory-store.ts'

interface Shared {
  listeners: Set<(message: ControlMessage) => void>
  revocations: Revocation[]
}

/** By store, so that brokers over one hear each other. */
const shared = new WeakMap<MemoryStore, Shared>()

/** Control among the instances in this process that share a store. */
export function createMemoryControl(
  store: MemoryStore,
  now: () => number = Date.now,
): ControlStore & { stop(): void } {
  const all: Shared = shared.get(store) ?? { listeners: new Set(), revocations: [] }
  shared.set(store, all)
  let own: ((message: ControlMessage) => void) | undefined

  async function tell(message: ControlMessage): Promise<void> {
    for (const listener of all.listeners) listener(message)
  }

  return {
    async revoke(revocation) {
      all.revocations = all.revocations.filter(({ until }) => until > now())
      all.revocations.push(revocation)
      await tell({ kind: 'revoke', revocation })
    },
    tell,
    standing: async () => all.revocations,
    listen(listener) {
      own = listener.heard
      all.listeners.add(own)
      listener.interrupted()
    },
    stop() {
      if (own !== undefined) all.listeners.delete(own)
    },
  }
}
