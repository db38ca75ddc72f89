import type { OutboxStore, StoredEntry } from './outbox-store.ts'

/** The writing side of an outbox: what changes in one turn goes into the store as one transaction. */
export interface Ledger {
  /**
   * Resolves with what the session left behind; from then on changes are written. What nobody came
   * back for in 30 days is deleted, of any session. Without a store nothing is kept.
   */
  open(session: string, store: OutboxStore | undefined): Promise<StoredEntry[]>
  /** Resolves when it is kept, or when it turned out that nothing can be. Never rejects. */
  put(entry: StoredEntry): Promise<void>
  remove(entry: StoredEntry): void
  close(): void
}

const FORGET_MS = 30 * 24 * 3_600_000

export function createLedger(failed: () => void): Ledger {
  let store: OutboxStore | undefined
  let session = ''
  let seq = 0
  let changes = new Map<StoredEntry, boolean>()
  let next: Promise<void> | undefined
  let begin: () => void = () => undefined
  let last = new Promise<void>((resolve) => {
    begin = resolve
  })

  function fail(): StoredEntry[] {
    store = undefined
    failed()
    return []
  }

  /** One transaction at a time; what comes meanwhile shares the next one. */
  function change(entry: StoredEntry, keep: boolean): Promise<void> {
    changes.set(entry, keep) // in its first place: the order of writing
    if (!next) {
      next = last.then(write)
      last = next
    }
    return next
  }

  async function write(): Promise<void> {
    next = undefined
    const put: StoredEntry[] = []
    const remove: StoredEntry[] = []
    for (const [entry, keep] of changes) {
      if (keep) {
        if (!entry.seq) Object.assign(entry, { session, seq: ++seq })
        put.push(entry)
      } else if (entry.seq) remove.push(entry)
    }
    changes = new Map()
    if (put.length + remove.length > 0) await store?.write(put, remove).catch(fail)
  }

  return {
    async open(as, from) {
      session = as
      store = from
      const all = (await from?.load().catch(fail)) ?? []
      const left = all.filter((entry) => entry.session === as)
      seq = left.at(-1)?.seq ?? 0
      for (const entry of all) {
        if (entry.session !== as && Date.now() - entry.at > FORGET_MS) void change(entry, false)
      }
      begin()
      return left
    },
    put: (entry) => change(entry, true),
    remove: (entry) => void change(entry, false),
    close: () => void last.then(() => store?.close()),
  }
}
