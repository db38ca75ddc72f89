/** A message on its way, as it is kept. */
export interface StoredEntry {
  session: string
  /** Order of writing within the session. */
  seq: number
  room: string
  id: string
  /** The body as JSON. */
  text: string
  /** When it was written, ms since 1970 by this machine's clock. */
  at: number
  /** Who wrote it (`user.id`), where that was known. */
  user?: string | undefined
  /** When it was sent first without certainty that it was not stored; undefined: it never was. */
  doubtAt?: number | undefined
}

/**
 * Where unsent messages are kept. `write` is atomic, and happens in the order of its calls; entries are
 * identified by session and seq. Every error means that nothing can be kept here any more.
 */
export interface OutboxStore {
  /** What all sessions left, each in the order of writing. */
  load(): Promise<StoredEntry[]>
  write(put: readonly StoredEntry[], remove: readonly StoredEntry[]): Promise<void>
  close(): void
}

/** As long as the page lives. */
export function createMemoryStore(): OutboxStore {
  const entries = new Map<string, StoredEntry>()
  const keyOf = ({ session, seq }: StoredEntry) => `${seq} ${session}`
  return {
    load: async () => [...entries.values()].sort((a, b) => a.seq - b.seq),
    async write(put, remove) {
      for (const entry of put) entries.set(keyOf(entry), { ...entry })
      for (const entry of remove) entries.delete(keyOf(entry))
    },
    close: () => undefined,
  }
}
