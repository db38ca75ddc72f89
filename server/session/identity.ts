import { hash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { handshakeAuth, MAX_ID_LENGTH, type Sender } from '../protocol.ts'

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
  /** ms since 1970: a live connection ends then, unless it is refreshed. */
  expiresAt: number
  claims: Readonly<Record<string, unknown>>
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url')
}

/**
 * Reads a handshake's `auth` while `AUTH_MODE` is `none`: nobody proves anything, names are what
 * clients say.
 *
 * @throws GatewayError BAD_REQUEST naming the field
 */
export function identify(auth: unknown, connection: string): Identity {
  if (isSessionAlone(auth)) return identityOf(auth.session, undefined, connection)
  const parsed = handshakeAuth.safeParse(auth ?? {})
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new GatewayError('BAD_REQUEST', `auth.${issue?.path.join('.')}: ${issue?.message}`)
  }
  return identityOf(parsed.data.session, parsed.data.name, connection)
}

/** What nearly every handshake holds is checked by hand: `handshakeAuth` would accept it as it is. */
function isSessionAlone(auth: unknown): auth is { session: string } {
  if (typeof auth !== 'object' || auth === null || !('session' in auth)) return false
  const { session } = auth
  if (typeof session !== 'string' || session === '' || session.length > MAX_ID_LENGTH) return false
  return session.isWellFormed() && Object.keys(auth).length === 1
}

function identityOf(
  session: string | undefined,
  name: string | undefined,
  connection: string,
): Identity {
  // A session is a secret and stays out of Redis' keys; what others see does not even tell its hash.
  const sender = session === undefined ? `c:${connection}` : `s:${digest(session)}`
  const id = digest(`roomwire ${sender}`).slice(0, 16)
  return { user: name === undefined ? { id } : { id, name }, sender, session, token: undefined }
}
