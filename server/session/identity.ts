import { createHash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { handshakeAuth, type Sender } from '../protocol.ts'

/** Who a connection is. */
export interface Identity {
  /** What others see. Stable for a session, and does not tell it. */
  user: Sender
  /** Scope of message ids (D2): the user, else the session, else the connection. */
  sender: string
  session: string | undefined
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/**
 * Reads a handshake's `auth` while `AUTH_MODE` is `none`: nobody proves anything, names are what
 * clients say.
 *
 * @throws GatewayError BAD_REQUEST naming the field
 */
export function identify(auth: unknown, connection: string): Identity {
  const parsed = handshakeAuth.safeParse(auth ?? {})
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new GatewayError('BAD_REQUEST', `auth.${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { session, name } = parsed.data
  // A session is a secret and stays out of Redis' keys; what others see does not even tell its hash.
  const sender = session === undefined ? `c:${connection}` : `s:${digest(session)}`
  const id = digest(`roomwire ${sender}`).slice(0, 16)
  return { user: name === undefined ? { id } : { id, name }, sender, session }
}
