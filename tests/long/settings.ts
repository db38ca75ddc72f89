/** A number from the environment: how long or how large a run is. */
export function setting(name: string, otherwise: number): number {
  const given = process.env[name]
  if (given === undefined || given === '') return otherwise
  const value = Number(given)
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} must be a number: ${given}`)
  return value
}

/** One line of JSON for the record of a run. */
export function printFigures(scenario: string, figures: object): void {
  console.info(JSON.stringify({ scenario, ...figures }))
}

/** The value that this share of all does not exceed; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const ascending = values.toSorted((a, b) => a - b)
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0
}

/** @returns the largest; 0 of none */
export function largest(values: Iterable<number>): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}
