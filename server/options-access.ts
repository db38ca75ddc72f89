import { httpUrl, proxies, rate, roomPatterns } from './option-access-types.ts'
import { type Described, group } from './option-group.ts'
import { duration, integer, matching, oneOf, text } from './option-types.ts'

const path = text('the path of a readable file')
const claim = matching(/^[\w.:/-]{1,128}$/, 'the name of a claim')

/** Unset: these with AUTH_MODE=jwt, none without, as in the table of docs/CONFIGURATION.md. */
export const DEFAULT_RATES = {
  LIMIT_CONNECTION_JOINS: '300/10s',
  LIMIT_CONNECTION_SENDS: '200/10s',
  LIMIT_CONNECTION_BYTES: '4MiB/10s',
  LIMIT_CONNECTION_PACKETS: '2000/10s',
  LIMIT_USER_CONNECTS: '120/1m',
  LIMIT_USER_JOINS: '1000/10s',
  LIMIT_USER_SENDS: '400/10s',
  LIMIT_USER_BYTES: '8MiB/10s',
  LIMIT_ADDRESS_CONNECTS: '3000/1m',
  LIMIT_ADDRESS_JOINS: 'off',
  LIMIT_ADDRESS_SENDS: 'off',
  LIMIT_ADDRESS_BYTES: 'off',
  LIMIT_REFUSALS: '100/10s',
} as const satisfies Record<string, string>

export type RateName = keyof typeof DEFAULT_RATES

const WHOSE = {
  CONNECTION: 'of one connection',
  USER: 'of one user, on all instances together',
  ADDRESS: 'of one address (of IPv6: its /64), on this instance',
  REFUSALS: '',
} as const
const WHAT = {
  CONNECTS: 'New connections',
  JOINS: 'room:join, room:history and room:members',
  SENDS: 'room:send and room:typing',
  BYTES: 'Bytes received',
  PACKETS: 'Packets received, in every namespace and of any kind,',
} as const

function rates() {
  const described = Object.entries(DEFAULT_RATES).map(([name, usual]) => {
    const [, whose = '', what = ''] = name.split('_')
    const meaning =
      name === 'LIMIT_REFUSALS'
        ? 'What one connection is refused by these limits; beyond it, it is sent away with ABUSE.'
        : `${WHAT[what as keyof typeof WHAT]} ${WHOSE[whose as keyof typeof WHOSE]}.`
    const unset = usual === 'off' ? 'Unset: off.' : `Unset: ${usual} with AUTH_MODE=jwt, else off.`
    const type = rate(what === 'BYTES' ? 'bytes' : 'count')
    return [name, { type, description: `${meaning} ${unset}` }]
  })
  return Object.fromEntries(described) as Record<
    RateName,
    { type: ReturnType<typeof rate>; description: string }
  >
}

/** Who clients are, what they may do, and how much of it. */
export const accessOptions = {
  ...group('Identity', {
    AUTH_MODE: {
      type: oneOf('none', 'jwt'),
      default: 'none',
      description:
        'Who clients are. none: anyone may connect and say any name, for development. jwt: whoever brings a valid token.',
    },
    JWT_SECRET_FILE: {
      type: path,
      description:
        'File with the secret of HS256 (32 bytes or more), HS384 (48) and HS512 (64) tokens; one trailing newline is removed. A changed file counts within two seconds.',
    },
    JWT_PUBLIC_KEY_FILE: {
      type: path,
      description:
        'PEM file with the public key or certificate of RS, PS, ES or EdDSA tokens; the kind of key says which. A changed file counts within two seconds.',
    },
    JWT_JWKS_URL: {
      type: httpUrl,
      description:
        'Where the issuer publishes its public keys (JWKS). Read again every 10 minutes, and for a key that is not known; its outage is bridged for a day.',
    },
    JWT_KEY_OVERLAP: {
      type: duration('0ms', '30d'),
      default: '0ms',
      description:
        'How long tokens of the key before still count after the file of a secret or public key was replaced, which needs no restart. A restart forgets that key.',
    },
    JWT_ISSUER: { type: text('the issuer'), description: 'What a token must have as `iss`.' },
    JWT_AUDIENCE: {
      type: text('the audience'),
      description:
        'What a token must have in `aud`. Unset: tokens that were made for other services are taken as well.',
    },
    JWT_CLOCK_SKEW: {
      type: duration('0ms', '5m'),
      default: '5s',
      description: 'By how much the clock of the issuer may differ.',
    },
    JWT_USER_CLAIM: {
      type: claim,
      default: 'sub',
      description: 'The claim that holds the user: 1 to 128 characters. Others see it.',
    },
    JWT_NAME_CLAIM: {
      type: claim,
      default: 'name',
      description: 'The claim that holds the name to show; 64 characters of it are taken.',
    },
    JWT_COOKIE: {
      type: matching(/^[!#$%&'*+.^_`|~\w-]{1,64}$/, 'the name of a cookie'),
      description:
        'Cookie that may hold the token, from pages of the same origin or one that CORS_ALLOW_ORIGIN names.',
    },
  }),
  ...group('Who may do what', {
    ROOM_POLICY: {
      type: oneOf('open', 'private'),
      description:
        'What holds where nothing else says so. open: everybody may do everything. private: nobody may. Unset: private with AUTH_MODE=jwt, else open.',
    },
    PUBLIC_ROOMS: {
      type: roomPatterns,
      description: 'Rooms in which everybody who is connected may do everything.',
    },
    JWT_ROOMS_CLAIM: {
      type: claim,
      default: 'roomwire',
      description:
        'The claim that says in which rooms its holder may do what: { rooms, join, send, history, members }, lists of patterns.',
    },
    AUTHORIZE_URL: {
      type: httpUrl,
      description:
        'Who is asked (POST) whether a user may do something in a room, in place of the claim. No answer means no.',
      secret: true,
    },
    AUTHORIZE_SECRET_FILE: {
      type: path,
      description:
        'File with the bearer token that AUTHORIZE_URL is asked with. A changed file counts within two seconds.',
    },
    AUTHORIZE_TIMEOUT: {
      type: duration('50ms', '30s'),
      default: '2s',
      description: 'AUTHORIZE_URL has this long to answer.',
    },
    AUTHORIZE_CACHE_TTL: {
      type: duration('0ms', '1h'),
      default: '10s',
      description: 'Answers of AUTHORIZE_URL hold for this long.',
    },
  }),
  ...group('Limits', {
    MAX_ROOMS: {
      type: integer(1, 100_000),
      default: '1000',
      description: 'Rooms that one connection may be in.',
    },
    MAX_CONNECTIONS_PER_USER: {
      type: integer(0, 100_000),
      description:
        'Connections that a user may have at once, on all instances together. 0: no limit. Unset: 100 with AUTH_MODE=jwt, else no limit.',
    },
    ...(rates() satisfies Record<RateName, Described<unknown>>),
    TRUST_PROXY: {
      type: proxies,
      default: '0',
      description:
        'Whose X-Forwarded-For is believed. 0: nobody’s; the address is that of the connection.',
    },
  }),
}
