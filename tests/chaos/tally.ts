/** Counters that only the gateways know, summed over instances and over each one's restarts. */
export interface Tally {
  /** Reads one instance's `/metrics`; what it does not answer within a second is skipped. */
  read(name: string, port: number): Promise<void>
  /** The instance was started anew: its counters begin at 0. */
  forget(name: string): void
  /** Sum of a counter over the instances, by its full name with labels. */
  sums(): ReadonlyMap<string, number>
}

const WANTED = /^(roomwire_(?:gaps_filled|resumes)_total(?:\{[^}]*\})?) (\S+)$/

export function createTally(): Tally {
  const total = new Map<string, number>()
  const latest = new Map<string, Map<string, number>>()
  return {
    async read(name, port) {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`, {
        signal: AbortSignal.timeout(1000),
      }).then(
        (response) => (response.ok ? response.text() : ''),
        () => '',
      )
      const seen = latest.get(name) ?? new Map<string, number>()
      latest.set(name, seen)
      for (const line of text.split('\n')) {
        const [, counter, value] = WANTED.exec(line) ?? []
        if (counter === undefined) continue
        const now = Number(value)
        const grown = now - (seen.get(counter) ?? 0)
        seen.set(counter, now)
        total.set(counter, (total.get(counter) ?? 0) + grown)
      }
    },
    forget: (name) => void latest.delete(name),
    sums: () => total,
  }
}
