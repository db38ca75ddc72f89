import type { Broker } from './broker/broker.ts'
import type { Config } from './config.ts'
import { authorizeSecret, type TokenKeys } from './config-access.ts'
import { createAddresses } from './edge/addresses.ts'
import { createCredentials } from './edge/credentials.ts'
import { createEntrance, type Entrance } from './edge/entrance.ts'
import { createGate, type Gate } from './edge/gate.ts'
import type { Gathering } from './edge/gathering.ts'
import { createGuests, type Guests } from './edge/guests.ts'
import { createIdentifying, type Identify } from './edge/identifying.ts'
import { type Account, createIntake, type Intake } from './edge/intake.ts'
import { createOrigins } from './edge/origins.ts'
import type { RefreshDeps } from './edge/refresh.ts'
import type { ScreeningDeps } from './edge/screening.ts'
import type { Sockets, SocketsDeps } from './edge/sockets.ts'
import { createTenure } from './edge/tenure.ts'
import type { AccessEvents } from './observability/access-events.ts'
import type { ByeEvent } from './protocol.ts'
import { type HeldSecret, holdSecret } from './secret-file.ts'
import { createAllowances } from './session/allowance.ts'
import {
  type Authentication,
  createAuthentication,
  NO_AUTHENTICATION,
} from './session/authentication.ts'
import { createAuthorizerPolicy } from './session/authorizer-policy.ts'
import { createClaimsPolicy } from './session/claims-policy.ts'
import { type Authorize, createHookPolicy } from './session/hook-policy.ts'
import type { Identity } from './session/identity.ts'
import { createKeySet } from './session/key-set.ts'
import { createPlaces } from './session/places.ts'
import type { RoomPolicy } from './session/policy.ts'
import { createRateLimits } from './session/rates.ts'
import { createRevocationList } from './session/revocation-list.ts'
import type { Control } from './session/revocations.ts'
import { createTokenKeyFile } from './session/token-key-file.ts'
import { createTokens, type TokensDeps } from './session/tokens.ts'

/** Who clients are, what they may do, how much of it, and for how long. */
export interface Access {
  /** Undefined: everybody may do everything. */
  readonly policy: RoomPolicy | undefined
  readonly gate: Gate
  readonly control: Control
  readonly screening: Omit<ScreeningDeps, 'refused'>
  readonly refresh: Pick<RefreshDeps, 'renew' | 'policy' | 'refreshed'>
  /** What `createSockets` takes of it. */
  readonly sockets: Pick<SocketsDeps, 'entrance' | 'account' | 'began' | 'ended'>
  /** Says who somebody is, and no more: for namespaces of an application. */
  readonly identifyGuest: Entrance
  readonly guests: Guests
  /** For each connection from its beginning; undefined where nothing is limited. */
  readonly watch: Intake['watch'] | undefined
  readonly trustProxy: (address: string, hop: number) => boolean
  stop(): void
}

export interface AccessDeps {
  broker: Pick<Broker, 'control' | 'ledger'>
  events: AccessEvents
  gathering: Gathering
  authorize: Authorize | undefined
  identify: Identify | undefined
  /** Requests were refused on their arrival; beside ours, `other`. */
  refusedEarly(event: string, count: number): void
  /** Not before the first connection. */
  sockets(): Sockets
}

/** How long somebody who was sent away for asking too much stays away. */
const ABUSE_MS = 30_000

export function createAccess(config: Config, deps: AccessDeps): Access {
  const { events, sockets } = deps
  const { auth, limits } = config
  const addresses = createAddresses(config.trustProxy)
  const provenance = createOrigins(config.corsOrigins, addresses.host)

  const tenure = createTenure({
    all: () => sockets().all(),
    expel: (connection, bye) => {
      events.expelled(bye.code)
      sockets().expel(connection, bye)
    },
    clockSkewMs: auth?.clockSkewMs ?? 0,
  })
  const guests = createGuests({
    isTooLate,
    began: (socket, { sender }) => void intake?.identified(socket, sender),
    clockSkewMs: auth?.clockSkewMs ?? 0,
  })
  const revocations = createRevocationList({
    store: deps.broker.control,
    revoked(revocation) {
      tenure.revoked(revocation)
      guests.revoked(revocation)
    },
    disconnected(user, reconnect) {
      tenure.disconnected(user, reconnect)
      guests.disconnected(user, reconnect)
    },
    failed: events.revocationsUnknown,
  })
  const keys = auth && createConfiguredKeys(auth.keys, events)
  const authentication =
    auth === undefined || keys === undefined
      ? NO_AUTHENTICATION
      : createAuthentication({
          tokens: createTokens({ ...auth, keys }),
          isRevoked: revocations.isRevoked,
        })
  const secret = holdConfiguredSecret(config, events)
  const policy = createConfiguredPolicy(config, deps, secret)

  const limited = Object.keys(limits.rates).length > 0
  const rates = limited
    ? createRateLimits({ rates: limits.rates, ledger: deps.broker.ledger })
    : undefined
  const places =
    limits.maxConnectionsPerUser > 0
      ? createPlaces({ ledger: deps.broker.ledger, max: limits.maxConnectionsPerUser })
      : undefined
  const intake =
    rates &&
    createIntake({
      ...{ rates, abused, tooSlow, address: addresses.of, gathering: deps.gathering },
      allowances: createAllowances(limits.rates),
      counted: deps.refusedEarly,
      maxBacklogBytes: config.maxClientBacklogBytes,
    })
  const gate = createGate({ policy, limits: rates && intake && { rates, intake } })

  function abused({ conn, socketId, spender }: Account): void {
    events.expelled('ABUSE')
    if (spender.user !== undefined) rates?.shutOut(spender.user, ABUSE_MS)
    const bye: ByeEvent = { code: 'ABUSE', reconnect: true, retryAfterMs: ABUSE_MS }
    const connection = sockets().get(socketId ?? '')
    if (connection === undefined) guests.sendAway(conn, bye)
    else sockets().expel(connection, bye)
  }

  function tooSlow({ conn, socketId }: Account): void {
    const connection = sockets().get(socketId ?? '')
    if (connection === undefined) conn.close(true)
    else sockets().cutOff(connection.member)
  }

  /** Revoked between its handshake and now. */
  function isTooLate({ user, token }: Identity): boolean {
    return token !== undefined && revocations.isRevoked({ user: user.id, token })
  }

  const credentials = createCredentials({ cookie: auth?.cookie, provenance })
  const { identify, renew } =
    deps.identify === undefined
      ? byCredentials(authentication, credentials)
      : createIdentifying(deps.identify, {
          isRevoked: revocations.isRevoked,
          failed: events.identifyFailed,
        })
  const identifyGuest = createEntrance({
    ...{ identify, places: undefined },
    // A connection is counted once, in `/`; who was sent away is kept out everywhere.
    rates: rates && { admit: rates.admit, spend: async () => undefined },
  })

  return {
    policy,
    gate,
    identifyGuest,
    guests,
    watch: intake?.watch,
    control: revocations.control,
    screening: { provenance, rates, address: addresses.of },
    refresh: { renew, policy, refreshed: tenure.holds },
    sockets: {
      entrance: createEntrance({ identify, places, rates }),
      account: (socket, { sender }) => intake?.identified(socket, sender),
      began(connection) {
        tenure.holds(connection)
        if (!isTooLate(connection.identity)) return
        sockets().expel(connection, { code: 'TOKEN_REVOKED', reconnect: false })
      },
      ended: tenure.ended,
    },
    trustProxy: addresses.trust,
    stop() {
      keys?.stop?.()
      secret?.stop()
      tenure.stop()
      guests.stop()
      revocations.stop()
      places?.stop()
      rates?.stop()
    },
  }
}

/** As `AUTH_MODE` says. */
function byCredentials(
  authentication: Authentication,
  credentials: ReturnType<typeof createCredentials>,
): { identify: Entrance; renew: RefreshDeps['renew'] } {
  return {
    identify: ({ handshake, request, id }) =>
      authentication.identify(credentials(handshake.auth, request), id),
    renew: ({ identity }, token) => authentication.refresh(identity, token),
  }
}

function createConfiguredKeys(
  keys: TokenKeys,
  events: AccessEvents,
): TokensDeps['keys'] & { stop?: () => void } {
  return keys.kind === 'file'
    ? createTokenKeyFile({ ...keys, ...events.keyFile(keys.source) })
    : { find: createKeySet({ ...events.keySet, url: keys.url }).key }
}

/** Undefined where everybody may do everything. */
function createConfiguredPolicy(
  config: Config,
  deps: AccessDeps,
  secret: HeldSecret | undefined,
): RoomPolicy | undefined {
  const { fallback, authorizer, publicRooms, claim } = config.policy
  const failed = deps.events.authorizeFailed
  if (deps.authorize !== undefined) return createHookPolicy(deps.authorize, { failed })
  if (authorizer !== undefined) {
    return createAuthorizerPolicy({ ...authorizer, publicRooms, failed, secret: secret?.current })
  }
  if (config.auth === undefined && fallback === 'open') return undefined
  return createClaimsPolicy({ claim, publicRooms, fallback })
}

function holdConfiguredSecret({ policy }: Config, events: AccessEvents): HeldSecret | undefined {
  const secret = policy.authorizer?.secret
  return (
    secret &&
    holdSecret({
      ...{ path: secret.path, initial: secret.text, parse: authorizeSecret },
      ...events.keyFile('AUTHORIZE_SECRET_FILE'),
    })
  )
}
