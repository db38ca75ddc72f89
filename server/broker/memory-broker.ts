import type { Broker } from './broker.ts'
import { createMemoryLog } from './memory.ts'
import { createMemoryClaims } from './memory-claims.ts'
import { createMemoryControl } from './memory-control.ts'
import { createMemoryDirectory } from './memory-directory.ts'
import { createMemoryDuplicates } from './memory-duplicates.ts'
import { createMemoryLedger } from './memory-ledger.ts'
import { createMemoryOccupancy } from './memory-occupancy.ts'
import { createMemoryPresence } from './memory-presence.ts'
import { createMemorySessions } from './memory-sessions.ts'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'
import type { Retention } from './retention.ts'

/**
 * Everything in this process. Several brokers over one store behave like several instances.
 *
 * @param full something was refused, because the store is full
 */
export function createMemoryBroker(
  retention: Retention,
  newEpoch: () => string,
  instance: string,
  store: MemoryStore = createMemoryStore(),
  full?: () => void,
): Broker {
  const log = createMemoryLog(store, retention, { newEpoch, ...(full && { full }) })
  const control = createMemoryControl(store)
  const presence = createMemoryPresence(store, instance)
  return {
    log,
    presence,
    occupancy: createMemoryOccupancy(store, presence),
    claims: createMemoryClaims(store),
    control,
    ledger: createMemoryLedger(store),
    sessions: createMemorySessions(store),
    directory: createMemoryDirectory(store),
    duplicates: createMemoryDuplicates(store),
    adapter: undefined,
    durability: () => 'memory',
    appendOnly: () => undefined,
    producers: undefined,
    trouble: () => undefined,
    onTrouble: () => undefined,
    stop() {
      log.stop()
      control.stop()
      presence.stop()
    },
  }
}
