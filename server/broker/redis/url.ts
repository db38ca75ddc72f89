import { isIPv6 } from 'node:net'

/**
 * A Redis address as an operator wrote it:
 * `redis[s]://[[username]:password@]host[:port][,host[:port]…][/database]`, also `valkey[s]://`.
 *
 * `new URL` is not used: it refuses the `/`, `#` and `?` of generated passwords, and takes
 * `redis://user:123#x@redis:6379` for host `user`, port 123. Here the *last* `@` ends the userinfo,
 * so that a raw password can hold anything.
 */
export interface RedisUrl {
  tls: boolean
  /** Without the brackets of an IPv6 address. */
  host: string
  port: number
  database: number
  /** Further hosts, as one names several nodes of a cluster. */
  others: readonly { host: string; port: number }[]
  userinfo: Userinfo | undefined
  /** What followed a `?`: it is ignored. Names only; a value may be a secret. */
  ignoredParameters: readonly string[]
}

/** What stands before the last `@`, split at its first `:`. Empty parts are undefined. */
export interface Userinfo {
  username: UserinfoPart | undefined
  password: UserinfoPart | undefined
  /** Without one, a password whose `:` was forgotten looks like a user name. */
  hasColon: boolean
}

/**
 * - `literal`: the value is the text, because it holds no `%`, or a `%` that starts no valid sequence.
 * - `encoded`: decoded, and encoding the value gives the text back.
 * - `ambiguous`: decoded, but nobody encodes like that (`%41` for `A`): the text may be meant as it is.
 */
export interface UserinfoPart {
  value: string
  form: 'literal' | 'encoded' | 'ambiguous'
}

export type RedisUrlResult = { ok: true; url: RedisUrl } | { ok: false; problem: string }

const DEFAULT_REDIS_PORT = 6379

const SCHEME = /^(redis|valkey)(s?):\/\//i
const ADDRESS = /^(\[[^\]]*\]|[^:/?#[\]]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?(.*))?$/s
const HOST = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s
const HOST_NAME = /^[A-Za-z0-9._-]{1,253}$/

/** Pure. `problem` completes the sentence "REDIS_URL …" and never holds any part of the text. */
export function parseRedisUrl(text: string): RedisUrlResult {
  const trimmed = text.trim()
  if (/^["'`]/.test(trimmed)) return refuse('starts with a quote: remove the quotes around it')
  const scheme = SCHEME.exec(trimmed)
  if (scheme === null) {
    return refuse('must start with redis:// or rediss:// (or valkey://, valkeys://)')
  }
  const rest = trimmed.slice(scheme[0].length)
  const at = rest.lastIndexOf('@')
  const [, hosts = '', place = ''] = /^([^/?#]*)(.*)$/s.exec(rest.slice(at + 1)) ?? []
  const [first = '', ...others] = hosts.split(',')
  const address = ADDRESS.exec(first + place)
  if (address === null) {
    return refuse('must have host[:port][/database] after its last @, and nothing else')
  }

  const [, , , databaseText = '', query = ''] = address
  const [main, ...rests] = [first, ...others].map((each) => parseHost(each, DEFAULT_REDIS_PORT))
  for (const each of [main, ...rests]) if (typeof each === 'string') return refuse(each)
  const { host, port } = main as Host
  const database = databaseText === '' ? 0 : wholeNumber(databaseText)
  if (database === undefined) return refuse('must have a database number, or nothing, after the /')

  return {
    ok: true,
    url: {
      tls: scheme[2] !== '',
      host,
      port,
      database,
      others: rests as Host[],
      userinfo: at <= 0 ? undefined : parseUserinfo(rest.slice(0, at)),
      ignoredParameters: parameterNames(query),
    },
  }
}

export interface Host {
  host: string
  port: number
}

/** `host[:port]`, or what is wrong with it: never any part of the text. */
export function parseHost(text: string, defaultPort: number): Host | string {
  const [, hostText = '', portText] = HOST.exec(text) ?? []
  const host = hostText.startsWith('[') ? hostText.slice(1, -1) : hostText
  if (host === '') return 'has no host (an IPv6 address goes in brackets)'
  if (!(hostText.startsWith('[') ? isIPv6(host) : HOST_NAME.test(host))) {
    return 'has a host that is neither a name nor an IP address'
  }
  if (portText?.includes(':'))
    return 'has more than one : after its host (an IPv6 address goes in brackets)'
  const port = portText === undefined ? defaultPort : wholeNumber(portText)
  if (port === undefined || port < 1 || port > 65_535) {
    return 'must have a port from 1 to 65535 after the host'
  }
  return { host, port }
}

function refuse(problem: string): RedisUrlResult {
  return { ok: false, problem }
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

function parseUserinfo(text: string): Userinfo {
  const colon = text.indexOf(':')
  return {
    username: part(colon === -1 ? text : text.slice(0, colon)),
    password: part(colon === -1 ? '' : text.slice(colon + 1)),
    hasColon: colon !== -1,
  }
}

/** A sequence is valid where it decodes to UTF-8; one that does not makes the whole part literal. */
function part(text: string): UserinfoPart | undefined {
  if (text === '') return undefined
  if (!text.includes('%')) return { value: text, form: 'literal' }
  let value: string
  try {
    value = decodeURIComponent(text)
  } catch {
    // A lone `%`, or bytes that are not UTF-8: this was never encoded.
    return { value: text, form: 'literal' }
  }
  return { value, form: isEncodingOf(text, value) ? 'encoded' : 'ambiguous' }
}

/** As `encodeURIComponent` writes it or, as stricter encoders do, with `!'()*` encoded too. */
function isEncodingOf(text: string, value: string): boolean {
  const upper = text.replace(/%[0-9a-f]{2}/gi, (sequence) => sequence.toUpperCase())
  const usual = encodeURIComponent(value)
  const strict = usual.replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return upper === usual || upper === strict
}

/** Only what looks like `name=`: anything else after a `?` may be part of a secret. */
function parameterNames(query: string): string[] {
  if (query === '') return []
  const names = query.split('&').map((pair) => /^([A-Za-z][\w.-]{0,40})=/.exec(pair)?.[1])
  return names.map((name) => name ?? '(unnamed)')
}
