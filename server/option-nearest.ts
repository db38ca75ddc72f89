const MAX_DISTANCE = 2

/**
 * The name that somebody probably meant: the one that differs least, by two letters at most, and by no
 * more than half of it.
 */
export function nearest<Name extends string>(
  given: string,
  names: readonly Name[],
): Name | undefined {
  const near = names.filter(
    (name) => distance(given, name) <= Math.min(MAX_DISTANCE, name.length / 2),
  )
  return near.sort((a, b) => distance(given, a) - distance(given, b))[0]
}

/** Levenshtein's; stops early where the lengths alone differ by more than is asked for. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_DISTANCE) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next[j] = Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
    }
    row = next
  }
  return row[b.length] ?? 0
}
