import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { decideCredentials, passwordFromFile } from './broker/redis/credentials.ts'
import { type Host, parseHost, parseRedisUrl, type RedisUrl } from './broker/redis/url.ts'
import type { OptionReader } from './option-reader.ts'

/** How one Redis role is reached. Credentials are already decided; nothing here is ever a URL. */
export interface RedisTarget {
  source: RedisSource
  /** With Sentinels, the name of the master: no host. Of a cluster, one node of it. */
  host: string
  port: number
  database: number
  username: string | undefined
  password: string | undefined
  tls: RedisTls | undefined
  /** Undefined where this is no cluster. */
  cluster: { seeds: readonly Host[] } | undefined
  /** Undefined where `host` and `port` are the server's. */
  sentinel: RedisSentinel | undefined
}

/** Who says where the primary is. TLS is that of the target. */
export interface RedisSentinel {
  /** At least one. */
  hosts: readonly Host[]
  username: string | undefined
  password: string | undefined
  /** The variable the password came from. */
  passwordSource: string | undefined
}

/** Variables the values came from, for messages: `WEBSOCKET_REDIS_URL`, `REDIS_PASSWORD_FILE`… */
export interface RedisSource {
  address: string
  password: string | undefined
  /** Path of the file that the password came from, which may be given another one while we run. */
  passwordFile?: string
  /** The URL's percent-sequences were decoded: what `refusedPasswordHint` tells. */
  passwordDecoded?: boolean
  /** `username` may be a password whose `:` was forgotten: it must not be shown. */
  usernameMayBePassword?: boolean
}

export interface RedisTls {
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  /** SNI and certificate name; the host where undefined. */
  serverName: string | undefined
}

type Prefix = 'REDIS' | 'WEBSOCKET_REDIS'

const TLS = ['TLS_CA_FILE', 'TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_SERVER_NAME'] as const
const PASSWORDS = ['PASSWORD', 'PASSWORD_FILE'] as const
const SENTINEL = ['PORT', 'USERNAME', 'PASSWORD', 'PASSWORD_FILE'] as const
const TOPOLOGY = ['CLUSTER', ...SENTINEL.map((name) => `SENTINEL_${name}` as const)] as const

/**
 * Both roles. One without a URL is the other's target, Sentinels included: the same object, so that roles
 * can be compared by identity. Credentials never travel to a host they were not given for.
 */
export function readRedisRoles(reader: OptionReader): {
  rooms: RedisTarget | undefined
  cache: RedisTarget | undefined
} {
  const own = (prefix: Prefix, other: Prefix): RedisTarget | undefined => {
    if (reader.isSet(`${prefix}_URL`)) return readTarget(prefix, other, reader)
    const hosts = sentinelHosts(prefix, reader)
    if (hosts !== undefined) {
      const message = `needs ${prefix}_URL, whose host is the name of the master: redis://mymaster`
      reader.problem(hosts, message)
    }
    for (const name of ['USERNAME', ...PASSWORDS, ...TLS, ...TOPOLOGY] as const) {
      const variable = `${prefix}_${name}` as const
      if (!reader.isSet(variable) || (name === 'CLUSTER' && !reader.value(`${prefix}_CLUSTER`))) {
        continue
      }
      const instead = reader.isSet(`${other}_URL`)
        ? `; ${other}_URL is used with its own credentials (${other}_${name})`
        : ''
      reader.warn(variable, `has no effect while ${prefix}_URL is unset${instead}`)
    }
    return undefined
  }
  const cache = own('REDIS', 'WEBSOCKET_REDIS')
  const rooms = own('WEBSOCKET_REDIS', 'REDIS')
  return { rooms: rooms ?? cache, cache: cache ?? rooms }
}

function readTarget(prefix: Prefix, other: Prefix, reader: OptionReader): RedisTarget | undefined {
  const address = `${prefix}_URL` as const
  const parsed = parseRedisUrl(reader.value(address) ?? '')
  const credentials = decideCredentials({
    prefix,
    username: reader.value(`${prefix}_USERNAME`),
    password: reader.value(`${prefix}_PASSWORD`),
    passwordFile: readPassword(`${prefix}_PASSWORD_FILE`, reader),
    userinfo: parsed.ok ? parsed.url.userinfo : undefined,
  })
  if (!parsed.ok) {
    reader.problem(address, parsed.problem)
    return undefined
  }
  for (const { variable, message, level } of credentials.notes) {
    reader.warn(variable, message, level)
  }
  const { url } = parsed
  if (url.ignoredParameters.length > 0) {
    const wantsTls = !url.tls && url.ignoredParameters.some((name) => /^(ssl|tls)/i.test(name))
    reader.warn(
      address,
      `has query parameters, which are ignored: ${url.ignoredParameters.join(', ')}${wantsTls ? ' (TLS takes rediss://)' : ''}`,
    )
  }
  if (credentials.password === undefined && credentials.username === undefined) {
    const theirs = PASSWORDS.map((name) => `${other}_${name}` as const).find(reader.isSet)
    if (theirs) {
      const message = `has no password; ${theirs} is not used for it (set ${prefix}_PASSWORD_FILE if it needs one)`
      reader.warn(address, message, 'info')
    }
  }
  const { username, password, passwordSource, passwordDecoded, usernameMayBePassword } = credentials
  const passwordFile = reader.value(`${prefix}_PASSWORD_FILE`)
  return {
    source: {
      ...{ address, password: passwordSource, passwordDecoded, usernameMayBePassword },
      ...(passwordFile === undefined ? {} : { passwordFile }),
    },
    host: url.host,
    port: url.port,
    database: url.database,
    username,
    password,
    tls: readTls(prefix, url.tls, reader),
    ...readTopology(prefix, url, reader),
  }
}

function readTopology(
  prefix: Prefix,
  url: RedisUrl,
  reader: OptionReader,
): Pick<RedisTarget, 'cluster' | 'sentinel'> {
  const address = `${prefix}_URL` as const
  const hosts = sentinelHosts(prefix, reader)
  const cluster = reader.value(`${prefix}_CLUSTER`)
  if (cluster && hosts !== undefined) {
    reader.problem(hosts, `cannot be set together with ${prefix}_CLUSTER=true`)
  }
  if (cluster && url.database !== 0) {
    reader.problem(address, 'names a database, which a cluster does not have')
  }
  if (!cluster && url.others.length > 0) {
    reader.problem(address, `names several hosts, which takes ${prefix}_CLUSTER=true`)
  }
  const seeds = [{ host: url.host, port: url.port }, ...url.others]
  return {
    cluster: cluster ? { seeds } : undefined,
    sentinel: hosts === undefined ? undefined : readSentinel(prefix, hosts, reader),
  }
}

/** The variable that names the Sentinels, if one does. */
function sentinelHosts(prefix: Prefix, reader: OptionReader) {
  const own = `${prefix}_SENTINEL_HOSTS` as const
  if (prefix === 'REDIS' || reader.isSet(own)) return reader.isSet(own) ? own : undefined
  return reader.isSet('WEBSOCKET_SENTINEL_HOSTS') ? 'WEBSOCKET_SENTINEL_HOSTS' : undefined
}

function readSentinel(
  prefix: Prefix,
  variable: NonNullable<ReturnType<typeof sentinelHosts>>,
  reader: OptionReader,
): RedisSentinel {
  const own = `${prefix}_SENTINEL_PORT` as const
  const alias = prefix === 'WEBSOCKET_REDIS' && !reader.isSet(own)
  const port = (alias ? reader.value('WEBSOCKET_SENTINEL_PORT') : undefined) ?? reader.value(own)
  const hosts = (reader.value(variable) ?? []).flatMap((text) => {
    const host = parseHost(text, port)
    if (typeof host !== 'string') return [host]
    reader.problem(variable, host)
    return []
  })
  const credentials = decideCredentials({
    prefix: `${prefix}_SENTINEL`,
    username: reader.value(`${prefix}_SENTINEL_USERNAME`),
    password: reader.value(`${prefix}_SENTINEL_PASSWORD`),
    passwordFile: readPassword(`${prefix}_SENTINEL_PASSWORD_FILE`, reader),
    userinfo: undefined,
  })
  for (const { variable: about, message, level } of credentials.notes) {
    reader.warn(about, message, level)
  }
  const { username, password, passwordSource } = credentials
  return { hosts, username, password, passwordSource }
}

function readPassword(
  name: `${Prefix}_PASSWORD_FILE` | `${Prefix}_SENTINEL_PASSWORD_FILE`,
  reader: OptionReader,
): string | undefined {
  const content = reader.file(name)
  if (content === undefined) return undefined
  const password = passwordFromFile(content)
  if (password === undefined)
    reader.problem(name, 'must name a file that holds a password in UTF-8')
  return password
}

function readTls(prefix: Prefix, enabled: boolean, reader: OptionReader): RedisTls | undefined {
  if (!enabled) {
    // Whoever sets these expects encryption; the password must not go out in the clear instead.
    for (const name of TLS) {
      if (!reader.isSet(`${prefix}_${name}`)) continue
      reader.problem(`${prefix}_${name}`, `needs a ${prefix}_URL that begins with rediss://`)
    }
    return undefined
  }
  const pem = (name: 'CA' | 'CERT' | 'KEY'): string | undefined => {
    const content = reader.file(`${prefix}_TLS_${name}_FILE`)
    return content && new TextDecoder().decode(content)
  }
  const tls = {
    ca: pem('CA'),
    cert: pem('CERT'),
    key: pem('KEY'),
    serverName: reader.value(`${prefix}_TLS_SERVER_NAME`),
  }
  const cert = `${prefix}_TLS_CERT_FILE` as const
  const key = `${prefix}_TLS_KEY_FILE` as const
  // `createSecureContext` accepts any text as `ca`, and then trusts nobody.
  if (tls.ca !== undefined && fails(() => new X509Certificate(tls.ca ?? ''))) {
    reader.problem(`${prefix}_TLS_CA_FILE`, 'must name a file of PEM certificates')
  }
  if (reader.isSet(cert) !== reader.isSet(key)) {
    const [set, missing] = reader.isSet(cert) ? [cert, key] : [key, cert]
    reader.problem(missing, `must be set together with ${set}`)
  } else if (
    tls.cert !== undefined &&
    tls.key !== undefined &&
    fails(() => createSecureContext({ cert: tls.cert, key: tls.key }))
  ) {
    reader.problem(cert, `must be a PEM certificate that belongs to the PEM key of ${key}`)
  }
  return tls
}

function fails(attempt: () => unknown): boolean {
  try {
    attempt()
    return false
  } catch {
    return true
  }
}
