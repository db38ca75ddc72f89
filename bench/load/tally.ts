/** Counts by name: messages by room, failures by reason. */
export type Tally = Record<string, number>

export function countIn(tally: Tally, name: string, by = 1): void {
  tally[name] = (tally[name] ?? 0) + by
}

export function totalOf(tally: Tally): number {
  return Object.values(tally).reduce((sum, count) => sum + count, 0)
}

export function added(...tallies: readonly Tally[]): Tally {
  const sum: Tally = {}
  for (const tally of tallies) {
    for (const [name, count] of Object.entries(tally)) countIn(sum, name, count)
  }
  return sum
}
