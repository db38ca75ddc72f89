import { hash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import {
  type HandshakeAuth,
  handshakeAuth,
  MAX_ID_LENGTH,
  problemOf,
  type Sender,
} from '../protocol.ts'
import type { TokenHolder } from './tokens.ts'

/** Who a connection is. */
export interface Identity {
  /** What others see. Stable for a session, and does not tell it. */
  user: Sender
  /** Scope of message ids (D2): the user, else the session, else the connection. */
  sender: string
  session: string | undefined
  /** What the token says that was verified; undefined while `AUTH_MODE` is `none`. */
  token: VerifiedToken | undefined
}

export interface VerifiedToken {
  /** Its `jti`. */
  id: string | undefined
  /** ms since 1970; a token that does not say is of unknown age: older than everything. */
  issuedAt: number
  /** ms since 1970: a live connection ends then, unless it is refreshed. Infinity: never. */
  expiresAt: number
  claims: Readonly<Record<string, unknown>>
}

/**
 * The identity of a handshake while `AUTH_MODE` is `none`: nobody proves anything, names are what
 * clients say.
 *
 * @throws GatewayError BAD_REQUEST naming the field
 */
export function identify(auth: unknown, connection: string): Identity {
  if (isSessionAlone(auth)) return unproven(auth.session, undefined, connection)
  const { session, name } = readHandshakeAuth(auth)
  return unproven(session, name, connection)
}

/** The identity of whoever a token was made for. */
export function identityOf(holder: TokenHolder, session: string | undefined): Identity {
  const { user: id, name, token } = holder
  return { user: name === undefined ? { id } : { id, name }, sender: `u:${id}`, session, token }
}

/** When a connection ends by itself, ms since 1970; undefined: it does not. */
export function endOf({ token }: Identity): number | undefined {
  return token !== undefined && Number.isFinite(token.expiresAt) ? token.expiresAt : undefined
}

/** @throws GatewayError BAD_REQUEST naming the field */
export function readHandshakeAuth(auth: unknown): HandshakeAuth {
  const parsed = handshakeAuth.safeParse(auth ?? {})
  if (parsed.success) return parsed.data
  throw new GatewayError('BAD_REQUEST', `auth.${problemOf(parsed.error, 'auth')}`)
}

/** What nearly every handshake holds is checked by hand: `handshakeAuth` would accept it as it is. */
function isSessionAlone(auth: unknown): auth is { session: string } {
  if (typeof auth !== 'object' || auth === null || !('session' in auth)) return false
  const { session } = auth
  if (typeof session !== 'string' || session === '' || session.length > MAX_ID_LENGTH) return false
  return session.isWellFormed() && Object.keys(auth).length === 1
}

function unproven(
  session: string | undefined,
  name: string | undefined,
  connection: string,
): Identity {
  // A session is a secret and stays out of Redis' keys; what others see does not even tell its hash.
  const sender = session === undefined ? `c:${connection}` : `s:${digest(session)}`
  const id = digest(`roomwire ${sender}`).slice(0, 16)
  return { user: name === undefined ? { id } : { id, name }, sender, session, token: undefined }
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url')
}
