import { nearest } from './option-nearest.ts'
import type { Environment } from './option-reader.ts'
import { optionNames } from './options.ts'

/** Shorter names resemble too much that is none of ours. */
const MIN_NAME_LENGTH = 8

/** What others call what is in our URLs. */
const PARTS_OF_URL =
  /^((?:WEBSOCKET_)?REDIS)_(HOST|HOSTNAME|PORT|DB|DATABASE|TLS|SSL|ADDR|ADDRESS|ENDPOINT|TLS_URL|CONNECTION_STRING)$/

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
      const meant = nearest(variable.toUpperCase(), candidates)
      return meant === undefined ? [] : [{ variable, meant }]
    })
}
