import type { Environment } from './option-reader.ts'
import { optionNames } from './options.ts'

/** Shorter names resemble too much that is none of ours. */
const MIN_NAME_LENGTH = 8
const MAX_DISTANCE = 2

/** What others call what is in our URLs. */
const PARTS_OF_URL = /^((?:WEBSOCKET_)?REDIS)_(HOST|PORT|DB|DATABASE|TLS|SSL)$/

/**
 * Variables by which somebody means to name a Redis, where no URL does. `tcp://…` is what container
 * platforms set for a service of that name.
 */
export function findStrangers(env: Environment): { variable: string; instead: string }[] {
  return Object.entries(env).flatMap(([variable, value]) => {
    const prefix = PARTS_OF_URL.exec(variable)?.[1]
    if (prefix === undefined || !value || value.startsWith('tcp://')) return []
    return env[`${prefix}_URL`] ? [] : [{ variable, instead: `${prefix}_URL` }]
  })
}

/** Variables that are set, are not options, and differ from one that is unset by at most two letters. */
export function findTypos(env: Environment): { variable: string; meant: string }[] {
  const known = new Set<string>(optionNames)
  const candidates = optionNames.filter((name) => name.length >= MIN_NAME_LENGTH && !env[name])
  return Object.keys(env)
    .filter((variable) => env[variable] && !known.has(variable))
    .flatMap((variable) => {
      const meant = candidates.find(
        (name) => distance(variable.toUpperCase(), name) <= MAX_DISTANCE,
      )
      return meant === undefined ? [] : [{ variable, meant }]
    })
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
