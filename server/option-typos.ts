import { nearest } from './option-nearest.ts'
import type { Environment } from './option-reader.ts'
import { type OptionName, optionNames } from './options.ts'

/** A variable that is set and is not read. */
export interface Stranger {
  variable: string
  meant: OptionName
  /** What to say of it. */
  message: string
}

/** Shorter names resemble too much that is none of ours. */
const MIN_NAME_LENGTH = 8

/** What others call what is in our URLs. */
const PARTS_OF_URL =
  /^((?:WEBSOCKET_)?REDIS)_(HOST|HOSTNAME|PORT|DB|DATABASE|TLS|SSL|ADDR|ADDRESS|ENDPOINT|TLS_URL|CONNECTION_STRING)$/

/** What platforms call the URL of a Redis of theirs: REDISCLOUD_URL, REDIS_PRIVATE_URL, VALKEY_URL. */
const NAME_OF_URL = /REDIS|VALKEY/i
const REDIS_URL = /^\s*(redis|valkey)s?:\/\//i

/** Options without which there is no Redis, or which are of no use without one. */
const OF_A_ROLE = /^(WEBSOCKET_)?(REDIS|SENTINEL|REDIS_SENTINEL)_(URL|USERNAME|PASSWORD|HOSTS|TLS)/

/** Variables that are no options, and by which somebody seems to mean one that is unset. */
export function findStrangers(env: Environment): Stranger[] {
  const known = new Set<string>(optionNames)
  const strange = Object.keys(env).filter((variable) => env[variable] && !known.has(variable))
  const candidates = optionNames.filter((name) => name.length >= MIN_NAME_LENGTH && !env[name])
  return strange.flatMap((variable) => {
    const resembled = nearest(variable.toUpperCase(), candidates)
    const meant = resembled ?? urlMeantBy(variable, env)
    if (meant === undefined) return []
    const advice = resembled === undefined ? `use ${meant}` : `did you mean ${meant}?`
    return [{ variable, meant, message: `is not an option; ${advice}` }]
  })
}

/** `tcp://…` is what container platforms set for a service of that name. */
function urlMeantBy(variable: string, env: Environment): OptionName | undefined {
  const value = env[variable] ?? ''
  const prefix = PARTS_OF_URL.exec(variable)?.[1] as 'REDIS' | 'WEBSOCKET_REDIS' | undefined
  if (prefix !== undefined) {
    return value.startsWith('tcp://') || env[`${prefix}_URL`] ? undefined : `${prefix}_URL`
  }
  const isUrl = NAME_OF_URL.test(variable) && REDIS_URL.test(value)
  return isUrl && !env['REDIS_URL'] && !env['WEBSOCKET_REDIS_URL'] ? 'REDIS_URL' : undefined
}

/** Whether whoever set it seems to have a Redis. */
export function meansRedis({ meant }: Pick<Stranger, 'meant'>): boolean {
  return OF_A_ROLE.test(meant)
}
