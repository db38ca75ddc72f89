import { GatewayError } from '../errors.ts'
import { type Identity, identify, identityOf, readHandshakeAuth } from './identity.ts'
import type { Revocation } from './revocations.ts'
import type { TokenHolder, Tokens } from './tokens.ts'

/** What a handshake brings along; read by who knows the transport. */
export interface Credentials {
  /** The client's `auth`, as it came from the wire. */
  auth: unknown
  /** A token of the header or of the cookie. Called only where `auth` has none. */
  otherToken(): string | undefined
}

/** Tells who connects. */
export interface Authentication {
  /**
   * Throws, or rejects with, a GatewayError: BAD_REQUEST naming the field, UNAUTHORIZED saying why,
   * UNAVAILABLE where it cannot be told now.
   */
  identify(credentials: Credentials, connection: string): Identity | Promise<Identity>
  /**
   * The same person with a new token.
   *
   * @throws GatewayError UNAUTHORIZED; FORBIDDEN for a token of somebody else
   */
  refresh(identity: Identity, token: string): Promise<Identity>
}

/** While nobody proves anything. */
export const NO_AUTHENTICATION: Authentication = {
  identify: ({ auth }, connection) => identify(auth, connection),
  async refresh() {
    throw new GatewayError('BAD_REQUEST', 'token: this gateway takes none (AUTH_MODE is none)')
  },
}

export function createAuthentication(deps: {
  tokens: Tokens
  /** Whether a token was revoked. Throws UNAVAILABLE where that is not known yet. */
  isRevoked(holder: TokenHolder): boolean
}): Authentication {
  async function holderOf(token: string): Promise<TokenHolder> {
    const holder = await deps.tokens.verify(token)
    if (deps.isRevoked(holder)) throw new GatewayError('UNAUTHORIZED', 'token: was revoked')
    return holder
  }

  return {
    async identify(credentials) {
      const { session, token = credentials.otherToken() } = readHandshakeAuth(credentials.auth)
      if (token === undefined) throw new GatewayError('UNAUTHORIZED', 'token: is missing')
      return identityOf(await holderOf(token), session)
    },
    async refresh(identity, token) {
      const holder = await holderOf(token)
      if (holder.user !== identity.user.id) {
        throw new GatewayError('FORBIDDEN', 'token: is for another user')
      }
      return identityOf(holder, identity.session)
    },
  }
}

/** Whether a revocation concerns a token. A user's tokens of unknown age are all concerned. */
export function concerns(
  revocation: Revocation,
  user: string,
  token: { id: string | undefined; issuedAt: number },
): boolean {
  if ('tokenId' in revocation) return token.id === revocation.tokenId
  return revocation.user === user && token.issuedAt <= revocation.at
}
