import type { Socket } from 'socket.io'
import { GatewayError } from '../errors.ts'
import { MAX_ID_LENGTH } from '../protocol.ts'
import { type Identity, identityOf, readHandshakeAuth } from '../session/identity.ts'
import { isUserId, shownName, type TokenHolder } from '../session/tokens.ts'
import type { Connection } from './connection.ts'

/** Who an application says is connecting. */
export interface Identified {
  /** What others see, and whose message ids these are (D2): 1 to 128 characters. */
  id: string
  /** For show: cut to 64 characters. */
  name?: string
  /** ms since 1970: the connection ends then, and its client comes back by itself. */
  expiresAt?: number
  /** What `authorize` finds in `identity.token.claims`. */
  claims?: Readonly<Record<string, unknown>>
}

/**
 * An application's word on who connects, in place of `AUTH_MODE`; asked for each connection, in each
 * namespace. A GatewayError that it throws is the client's answer, such as `UNAUTHORIZED`; anything else
 * becomes `UNAVAILABLE`, which is retryable.
 */
export type Identify = (handshake: Socket['handshake']) => Identified | Promise<Identified>

export interface IdentifyingDeps {
  /** Whether somebody's right has ended. Throws UNAVAILABLE where that is not known yet. */
  isRevoked(holder: TokenHolder): boolean
  failed(error: unknown): void
}

export interface Identifying {
  /** Rejects with a GatewayError for whoever stays outside. */
  identify(socket: Socket): Promise<Identity>
  /** Asks again, with a new token in the place of `auth.token`. */
  renew(connection: Connection, token: string): Promise<Identity>
}

export function createIdentifying(
  ask: Identify,
  { isRevoked, failed }: IdentifyingDeps,
): Identifying {
  async function identify(handshake: Socket['handshake']): Promise<Identity> {
    const { session } = readHandshakeAuth(handshake.auth)
    const holder = await holderFor(handshake)
    if (isRevoked(holder)) throw new GatewayError('UNAUTHORIZED', 'user: the right has ended')
    return identityOf(holder, session)
  }

  async function holderFor(handshake: Socket['handshake']): Promise<TokenHolder> {
    const issuedAt = Date.now()
    try {
      return holderOf(await ask(handshake), issuedAt)
    } catch (error) {
      if (error instanceof GatewayError) throw error
      failed(error)
      throw new GatewayError('UNAVAILABLE', 'user: it cannot be told now who you are')
    }
  }

  return {
    identify: ({ handshake }) => identify(handshake),
    async renew({ socket: { handshake }, identity: former }, token) {
      const identity = await identify({ ...handshake, auth: { ...handshake.auth, token } })
      if (identity.user.id === former.user.id) return identity
      throw new GatewayError('FORBIDDEN', 'token: is for another user')
    },
  }
}

function holderOf(identified: Identified, issuedAt: number): TokenHolder {
  const { id, name, expiresAt = Number.POSITIVE_INFINITY, claims = {} } = identified
  if (typeof id !== 'string' || !isUserId(id)) {
    throw new TypeError(`identify must return an id of 1 to ${MAX_ID_LENGTH} characters`)
  }
  if (typeof expiresAt !== 'number' || Number.isNaN(expiresAt)) {
    throw new TypeError('identify must return expiresAt as a number, ms since 1970, or none')
  }
  return { user: id, name: shownName(name), token: { id: undefined, issuedAt, expiresAt, claims } }
}
