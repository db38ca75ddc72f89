import type { OutboxStore, StoredEntry } from './outbox-store.ts'

const TABLE = 'outbox'
const OPEN_MS = 3_000

/** Over reloads and restarts of the browser. One database per gateway. */
export function createIndexedDbStore(name: string): OutboxStore {
  let opened: Promise<IDBDatabase> | undefined

  const open = () =>
    new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1)
      request.onupgradeneeded = () =>
        request.result.createObjectStore(TABLE, { keyPath: ['session', 'seq'] })
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
      setTimeout(reject, OPEN_MS) // some browsers never answer
    })

  /** Resolves with the result of the request that `work` returns, once everything is committed. */
  async function within<Result>(
    mode: IDBTransactionMode,
    work: (table: IDBObjectStore) => IDBRequest<Result> | undefined,
  ): Promise<Result | undefined> {
    opened ??= open()
    const transaction = (await opened).transaction(TABLE, mode)
    return new Promise((resolve, reject) => {
      const request = work(transaction.objectStore(TABLE))
      transaction.oncomplete = () => resolve(request?.result)
      transaction.onabort = () => reject(transaction.error)
    })
  }

  return {
    load: async () => (await within<StoredEntry[]>('readonly', (table) => table.getAll())) ?? [],
    async write(put, remove) {
      await within('readwrite', (table) => {
        for (const entry of put) table.put(entry)
        for (const { session, seq } of remove) table.delete([session, seq])
        return undefined
      })
    },
    close: () =>
      void opened?.then(
        (database) => database.close(),
        () => undefined,
      ),
  }
}
