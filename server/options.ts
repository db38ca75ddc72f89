import { httpUrl, rate } from './option-access-types.ts'
import { type Described, group, type Option } from './option-group.ts'
import {
  boolean,
  duration,
  hosts,
  integer,
  literal,
  matching,
  names,
  oneOf,
  origins,
  size,
  socketPath,
  text,
} from './option-types.ts'
import { accessOptions } from './options-access.ts'

export type { Option } from './option-group.ts'

const path = text('the path of a readable file')

/** The options of one Redis role; `WEBSOCKET_REDIS` has the same ones as `REDIS`. */
function redisRole<P extends 'REDIS' | 'WEBSOCKET_REDIS'>(prefix: P, role: string) {
  const described = {
    URL: {
      type: text('redis://[user:password@]host[:port][/database], or rediss:// for TLS'),
      description: `${role} With Sentinels the host is the name of the master; of a cluster it is any node, or several separated by commas.`,
      secret: true,
    },
    USERNAME: {
      type: literal('a user name'),
      description: `ACL user for ${prefix}_URL; taken as it is, before the one in the URL.`,
    },
    PASSWORD: {
      type: literal('a password'),
      description: `Password for ${prefix}_URL; taken as it is, before the one in the URL.`,
      secret: true,
    },
    PASSWORD_FILE: {
      type: path,
      description: `File that holds only the password for ${prefix}_URL (one trailing newline is removed); comes before ${prefix}_PASSWORD.`,
    },
    TLS_CA_FILE: {
      type: path,
      description: `PEM certificates that ${prefix}_URL's server certificate is checked against, in place of the system's.`,
    },
    TLS_CERT_FILE: {
      type: path,
      description: `PEM client certificate for ${prefix}_URL; needs ${prefix}_TLS_KEY_FILE.`,
    },
    TLS_KEY_FILE: {
      type: path,
      description: 'PEM private key of that certificate, without a passphrase.',
    },
    TLS_SERVER_NAME: {
      type: matching(/^[A-Za-z0-9._-]{1,253}$/, 'a host name'),
      description: `Name that ${prefix}_URL's server certificate must carry, where it is not the host's.`,
    },
    CLUSTER: {
      type: boolean,
      default: 'false',
      description: `${prefix}_URL is a Redis Cluster, of Redis 7 or later.`,
    },
    SENTINEL_HOSTS: {
      type: hosts,
      description: `Sentinels that say where the master named by ${prefix}_URL is.`,
    },
    SENTINEL_PORT: {
      type: integer(1, 65_535),
      default: '26379',
      description: 'Port of those Sentinels that are named without one.',
    },
    SENTINEL_USERNAME: {
      type: literal('a user name'),
      description: 'ACL user for the Sentinels themselves.',
    },
    SENTINEL_PASSWORD: {
      type: literal('a password'),
      description: `Password for the Sentinels themselves; that of ${prefix}_URL is not used for them.`,
      secret: true,
    },
    SENTINEL_PASSWORD_FILE: {
      type: path,
      description: `File that holds only the password for the Sentinels; comes before ${prefix}_SENTINEL_PASSWORD.`,
    },
  } as const satisfies Record<string, Described<unknown>>
  type Role = { [Name in keyof typeof described as `${P}_${Name}`]: (typeof described)[Name] }
  const entries = Object.entries(described).map(([name, option]) => [`${prefix}_${name}`, option])
  return Object.fromEntries(entries) as Role
}

export const options = {
  ...group('Server', {
    PORT: {
      type: integer(0, 65_535),
      default: '8080',
      description: 'TCP port of HTTP and Socket.IO; 0 lets the system choose.',
    },
    HOST: {
      type: matching(/^[A-Za-z0-9._:%-]{1,253}$/, 'an IP address or host name'),
      default: '0.0.0.0',
      description: 'Address to listen on; :: for IPv6 and IPv4.',
    },
    INSTANCE_ID: {
      type: matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits and . _ : -'),
      description:
        'Name of this instance, different from every other one. Unset: host name and a random part.',
    },
    SHUTDOWN_TIMEOUT: {
      type: duration('100ms', '1h'),
      default: '30s',
      description: 'After a signal to stop, the process exits at the latest after this time.',
    },
    DRAIN_NOTICE: {
      type: duration('0ms', '10m'),
      default: '2s',
      description:
        'After a signal to stop, load balancers have this long to notice before clients are sent away.',
    },
    DRAIN_PERIOD: {
      type: duration('0ms', '1h'),
      default: '10s',
      description:
        'Clients are handed over to other instances evenly over this time; fewer than 50 per second take less.',
    },
    OPERATOR_TOKEN: {
      type: literal('a secret'),
      description:
        'Bearer token for what operators may see and do over HTTP: /ops, /api/monitoring/stats, POST /api/drain. Unset: only from loopback, and not through a proxy.',
      secret: true,
    },
    API_KEYS_FILE: {
      type: path,
      description:
        'File of the keys with which backends may use the server API, one a line, as roomwire api-key prints them; a changed file counts within a second. Unset: nobody may.',
    },
    LIMIT_KEY_REQUESTS: {
      type: rate('count'),
      default: '20000/10s',
      description:
        'Requests to the server API with the keys of one name, on this instance; more are answered with 429 and Retry-After.',
    },
    READY_FOLLOWS_REDIS: {
      type: boolean,
      default: 'false',
      description:
        'Whether /health/ready turns false while the Redis of the rooms is away. It waits for it at the start in any case.',
    },
    LOG_LEVEL: {
      type: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
      default: 'info',
      description: 'Least severity of the log lines that are written.',
    },
    TRACING: {
      type: boolean,
      default: 'false',
      description:
        'Whether messages carry an OpenTelemetry context and sends and deliveries are spans. The SDK is started by node --import; see docs/ECOSYSTEM.md.',
    },
  }),
  ...group('Clients', {
    SOCKET_PATH: {
      type: socketPath,
      default: '/socket.io/',
      description: 'Path of the Socket.IO endpoint.',
    },
    CHAT_PAGE: {
      type: boolean,
      default: 'true',
      description: 'Whether / is the chat page.',
    },
    ENABLE_WEBSOCKET_SUPPORT: {
      type: boolean,
      default: 'true',
      description: 'true: WebSocket, with polling as fall-back. false: polling only.',
    },
    WEBSOCKET_SERVER_PING_INTERVAL: {
      type: duration('100ms', '10m'),
      default: '25',
      description: 'Time between two pings to a client.',
    },
    WEBSOCKET_SERVER_PING_TIMEOUT: {
      type: duration('100ms', '10m'),
      default: '20',
      description: 'A client that has not answered a ping for this long is disconnected.',
    },
    CORS_ALLOW_ORIGIN: {
      type: origins,
      description:
        'Origins whose pages may connect, separated by ";"; * allows all. Unset: only pages of the same origin. What is no page sends no origin and may connect.',
    },
    MAX_CONNECTIONS: {
      type: integer(0, 10_000_000),
      default: '0',
      description:
        'Connections that this instance takes at most; more are refused with 503 and Retry-After. 0: as many as it can.',
    },
    MAX_CONNECT_QUEUE: {
      type: integer(0, 1_000_000),
      default: '5000',
      description:
        'New connections that may wait while many arrive at once; more are refused with 503 and Retry-After.',
    },
    MAX_CLIENT_BACKLOG: {
      type: size('64KiB', '1024MiB'),
      default: '2MiB',
      description:
        'A client that has this much waiting because it does not read is disconnected; it resumes from the log.',
    },
    MAX_BODY_BYTES: {
      type: size('1', '1MiB'),
      default: '64KiB',
      description: 'Longest body of a message, as JSON in UTF-8.',
    },
  }),
  ...accessOptions,
  ...group('Rooms', {
    WEBSOCKET_MANAGER: {
      type: oneOf('redis', 'memory'),
      description:
        'Where rooms live. Unset: in Redis if a URL is set, else in memory. memory: in memory in any case, for a single instance.',
    },
    ROOM_LOG_MAX: {
      type: integer(1, 10_000_000),
      default: '10000',
      description: 'Messages that are kept of each room, about.',
    },
    ROOM_LOG_TTL: {
      type: duration('1s', '3650d'),
      default: '7d',
      description: 'A room that was not used for this long is forgotten.',
    },
    DEDUP_WINDOW: {
      type: duration('1s', '3650d'),
      default: '10m',
      description:
        'For this long a message sent again with the same id is stored once. At most ROOM_LOG_TTL.',
    },
    CONTENT_DEDUP_WINDOW: {
      type: duration('0ms', '1d'),
      default: '0ms',
      description:
        'For this long the same body of the same sender in a room is the same message, whatever its id: for sources that cannot give ids. 0: never. The same on every instance.',
    },
    ROOM_ACK_REPLICAS: {
      type: integer(0, 10),
      default: '0',
      description:
        'Redis replicas that must have a message before it is acknowledged. 0: the primary alone.',
    },
    RESUME_MAX: {
      type: integer(1, 10_000),
      default: '1000',
      description: 'Messages that a returning client is sent at most before it has to start anew.',
    },
  }),
  ...group('Classification', {
    CLASSIFIER: {
      type: oneOf('off', 'language', 'http'),
      default: 'off',
      description:
        'What gives messages labels after their delivery. language: the language of a text, built in. http: the service at CLASSIFIER_URL. The same on every instance.',
    },
    CLASSIFIER_URL: {
      type: httpUrl,
      description:
        'Service that answers POST { "text": … } with { "labels": { … } } (docs/CLASSIFICATION.md).',
      secret: true,
    },
    CLASSIFIER_API_KEY_FILE: {
      type: path,
      description: 'File that holds only the key that the service wants as a bearer token.',
    },
    CLASSIFIER_TIMEOUT: {
      type: duration('50ms', '50s'),
      default: '5s',
      description: 'A call of the service that takes longer has failed.',
    },
    CLASSIFIER_CONCURRENCY: {
      type: integer(1, 1000),
      default: '4',
      description: 'Calls of the service that an instance has under way at once.',
    },
    CLASSIFIER_CACHE_TTL: {
      type: duration('1s', '365d'),
      default: '7d',
      description: 'For this long the service is not asked about the same text again.',
    },
  }),
  ...group('Cache', {
    CACHE_MEMORY_MAX: {
      type: size('1MiB', '4096MiB'),
      default: '32MiB',
      description:
        'What the cache may hold in the memory of this instance; the least recently used goes first.',
    },
  }),
  ...group('Webhooks', {
    WEBHOOK_URL: {
      type: httpUrl,
      description:
        'Backend that is told when the first user comes into a room and when the last one goes (docs/API.md). The same on every instance.',
      secret: true,
    },
    WEBHOOK_SECRET_FILE: {
      type: path,
      description:
        'File that holds only the secret with which these calls are signed (one trailing newline is removed). It may change: another secret counts within about a second.',
    },
  }),
  ...group('Presence', {
    PRESENCE_GRACE: {
      type: duration('0ms', '10m'),
      default: '10s',
      description:
        'A user whose last connection broke stays in the room for this long, and is not told to have left where they return within it.',
    },
    PRESENCE_LEASE: {
      type: duration('500ms', '10m'),
      default: '10s',
      description:
        'Users of an instance that died are gone after this long. Shorter than PRESENCE_GRACE: they have less time to return.',
    },
  }),
  ...group('Redis', {
    ...redisRole(
      'REDIS',
      'Redis of the cache, which may evict; also of the rooms where WEBSOCKET_REDIS_URL is unset.',
    ),
    ...redisRole(
      'WEBSOCKET_REDIS',
      'Redis of the rooms, which must not evict (maxmemory-policy noeviction); also of the cache where REDIS_URL is unset.',
    ),
    WEBSOCKET_SENTINEL_HOSTS: {
      type: hosts,
      description: 'Another name of WEBSOCKET_REDIS_SENTINEL_HOSTS.',
    },
    WEBSOCKET_SENTINEL_PORT: {
      type: integer(1, 65_535),
      description: 'Another name of WEBSOCKET_REDIS_SENTINEL_PORT.',
    },
    REDIS_KEY_PREFIX: {
      type: matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits and . _ : -'),
      default: 'roomwire',
      description:
        'Begins every key and channel; deployments that share a Redis need different ones.',
    },
  }),
  ...group('Producers', {
    REDIS_EMITTER: {
      type: boolean,
      default: 'true',
      description:
        'Whether what backends publish with @socket.io/redis-emitter into the Redis of the rooms reaches connections.',
    },
    REDIS_EMITTER_KEY: {
      type: matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits and . _ : -'),
      default: 'socket.io',
      description: 'The key option of those emitters.',
    },
    PYTHON_SOCKETIO: {
      type: boolean,
      default: 'false',
      description:
        'Whether what python-socketio (5.14 or later) publishes through its Redis managers reaches connections.',
    },
    PYTHON_SOCKETIO_CHANNEL: {
      type: matching(/^[\w.:-]{1,64}$/, '1 to 64 letters, digits and . _ : -'),
      default: 'socketio',
      description: 'The channel option of those managers.',
    },
    PYTHON_SOCKETIO_EVENTS: {
      type: names('names of events'),
      description: 'Events that they may emit; unset: all but those of Roomwire.',
    },
    PYTHON_SOCKETIO_NAMESPACES: {
      type: names('namespaces such as /'),
      default: '/',
      description: 'Namespaces that they may speak to.',
    },
  }),
}

export type OptionName = keyof typeof options
export type OptionValue<Name extends OptionName> =
  (typeof options)[Name] extends Option<infer T> ? T : never
export const optionNames = Object.keys(options) as OptionName[]

/** The table by group, in the order it is shown. */
export function optionGroups(): {
  group: string
  rows: [name: string, option: Option<unknown>][]
}[] {
  const entries = Object.entries<Option<unknown>>(options)
  return [...new Set(entries.map(([, option]) => option.group))].map((group) => ({
    group,
    rows: entries.filter(([, option]) => option.group === group),
  }))
}
