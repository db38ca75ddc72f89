/** Why something between us and Redis failed, in the words operators search for. */
export type FailureKind =
  | 'parse'
  | 'dns'
  | 'refused'
  | 'unreachable'
  | 'tls'
  | 'noauth'
  | 'wrongpass'
  | 'noperm'
  | 'timeout'
  | 'loading'
  | 'readonly'
  | 'oom'
  | 'maxclients'
  /** Redis takes no writes because it cannot save (MISCONF). */
  | 'misconf'
  /** A cluster that does not serve, or not this key from here. */
  | 'cluster'
  /** The database number in the URL does not exist there. */
  | 'database'
  | 'closed'
  /** No Sentinel names a primary. */
  | 'sentinel'
  /** Fewer replicas than ROOM_ACK_REPLICAS, or than Redis' own min-replicas-to-write. */
  | 'replicas'
  /** Redis lost a script; the caller loads it again, so that nobody else sees this. */
  | 'noscript'
  | 'other'

export type Lack = 'command' | 'key' | 'channel'

/**
 * A failed attempt or command. `message` is made here from the kind: a library's or a server's own
 * text may hold a URL, and Redis' NOPERM and WRONGPASS replies may hold names; both stay out.
 */
export class RedisFailure extends Error {
  override readonly name = 'RedisFailure'
  readonly kind: FailureKind
  /** A command of ours may have been executed all the same. */
  readonly outcomeUnknown: boolean
  /** A node of a cluster says who does what was asked. */
  readonly redirection: Redirection | undefined
  /** Of `noperm`: what the user may not, where Redis says so. */
  readonly lacks: Lack | undefined

  constructor(
    kind: FailureKind,
    options: {
      outcomeUnknown?: boolean
      detail?: string
      redirection?: Redirection | undefined
      lacks?: Lack
    } = {},
  ) {
    super(
      options.detail === undefined
        ? EXPLANATIONS[kind]
        : `${EXPLANATIONS[kind]}: ${options.detail}`,
    )
    this.kind = kind
    this.outcomeUnknown = options.outcomeUnknown ?? false
    this.redirection = options.redirection
    this.lacks = options.lacks
  }
}

/**
 * What a node of a cluster answers about a slot that it does not have, or not whole; the command was not
 * executed. An empty host is that of the node which answered.
 */
export type Redirection =
  /** The slot belongs to another node. */
  | { type: 'moved' | 'ask'; slot: number; host: string; port: number }
  /** Keys of one command are on both sides of a move that is under way. */
  | { type: 'later' }

const EXPLANATIONS: Record<FailureKind, string> = {
  parse: 'the reply could not be understood; is this a Redis server?',
  dns: 'the host name cannot be resolved',
  refused: 'nothing accepts connections at this address and port',
  unreachable: 'there is no route to this host',
  tls: 'the TLS handshake failed; check that the port speaks TLS (else redis://), the CA and the server name',
  noauth: 'Redis asks for a password and none is set',
  wrongpass: 'Redis refused the user name or password',
  noperm: 'the Redis user lacks a right',
  timeout: 'Redis did not answer in time',
  loading: 'Redis is loading its data',
  readonly: 'this Redis is a read-only replica',
  oom: 'Redis is out of memory (maxmemory)',
  maxclients: 'Redis has reached its limit of connections (maxclients)',
  misconf: 'Redis refuses writes because it cannot save its data; see its log and its disk',
  cluster: 'the Redis cluster does not serve this key here; is this one node of a cluster?',
  database: 'Redis has no database of this number',
  closed:
    'the connection was closed; if this repeats at once, check whether the port wants TLS (rediss://)',
  sentinel:
    'no Sentinel names a primary; check the name of the master in the URL and the Sentinels',
  replicas: 'too few replicas confirmed the write',
  noscript: 'Redis does not know the script',
  other: 'unexpected error',
}

const BY_REPLY: readonly (readonly [RegExp, FailureKind])[] = [
  [/^NOAUTH\b/, 'noauth'],
  [
    /^WRONGPASS\b|invalid (username-)?password|AUTH <password> called without any password/i,
    'wrongpass',
  ],
  [/^NOPERM\b|^ERR The user executing the script can't|^ERR ACL failure in script/, 'noperm'],
  [/^LOADING\b/, 'loading'],
  [/^(READONLY|MASTERDOWN)\b/, 'readonly'],
  [/^OOM\b/, 'oom'],
  [/max number of clients/i, 'maxclients'],
  [/^NOSCRIPT\b/, 'noscript'],
  [/^MISCONF\b/, 'misconf'],
  [/^NOREPLICAS\b/, 'replicas'],
  [/^(CLUSTERDOWN|MOVED|ASK|CROSSSLOT|TRYAGAIN)\b/, 'cluster'],
  [/DB index is out of range|invalid DB index|SELECT is not allowed in cluster mode/i, 'database'],
  [/^ERR Protocol error|^Protocol error|Unknown RESP type/i, 'parse'],
]

const BY_CODE: Record<string, FailureKind> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_NODATA: 'dns',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  EPROTO: 'tls',
}

/** The redirection that an error reply is, if it is one. */
export function redirectionIn(reply: string): Redirection | undefined {
  if (reply.startsWith('TRYAGAIN')) return { type: 'later' }
  const [, word, slot, host = '', port] = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(reply.trim()) ?? []
  if (word === undefined) return undefined
  return { type: word === 'ASK' ? 'ask' : 'moved', slot: Number(slot), host, port: Number(port) }
}

/** What NOPERM says is missing: a command or the word key or channel, never a name of either. */
function missingRight(message: string): { detail: string; lacks: Lack } | undefined {
  const command = /run the '([\w|-]+)' command/.exec(message)?.[1]
  if (command !== undefined) return { detail: `the command ${command}`, lacks: 'command' }
  if (/channel/.test(message)) {
    return { detail: 'access to a channel (ACL rule &<prefix>:*)', lacks: 'channel' }
  }
  if (/key/.test(message)) {
    return { detail: 'access to a key (ACL rule ~<prefix>:*)', lacks: 'key' }
  }
  return undefined
}

/** The word in capitals that begins an error reply of Redis; the rest may hold anything. */
function errorWord(message: string): string | undefined {
  return /^[A-Z]{2,20}(?= )/.exec(message)?.[0]
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

/**
 * @param overTls a connection that ends during the handshake of a TLS connection failed in TLS.
 */
export function classify(
  error: unknown,
  overTls = false,
): { kind: FailureKind; detail?: string; lacks?: Lack } {
  if (error instanceof RedisFailure) return { kind: error.kind }
  if (error instanceof AggregateError && error.errors.length > 0) {
    return classify(error.errors[0], overTls) // one per address of the host
  }
  const message = error instanceof Error ? error.message : String(error)
  for (const [pattern, kind] of BY_REPLY) {
    if (!pattern.test(message)) continue
    return { kind, ...(kind === 'noperm' && missingRight(message)) }
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/^ERR_(SSL|TLS)_|CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code)) {
    return { kind: 'tls', detail: code }
  }
  const kind = BY_CODE[code]
  if (kind !== undefined) return { kind: overTls && kind === 'closed' ? 'tls' : kind }
  if (/timeout/i.test(message)) return { kind: 'timeout' }
  if (/closed|offline|disconnect/i.test(message)) return { kind: overTls ? 'tls' : 'closed' }
  return { kind: 'other', detail: code || errorWord(message) || nameOf(error) }
}

/** What is no failure of Redis' own has no kind to be told by. */
export function asRedisFailure(error: unknown): RedisFailure {
  return error instanceof RedisFailure ? error : new RedisFailure('other')
}

/** On one node of a cluster that is used as a server of its own, a redirection is a failure like others. */
export function isRedirection(error: unknown): boolean {
  return error instanceof RedisFailure && error.redirection !== undefined
}
