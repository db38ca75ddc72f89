import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { Credentials } from '../session/authentication.ts'
import type { Provenance } from './origins.ts'

/** Where else than in `auth` a handshake may have its token. */
export interface CredentialsDeps {
  /** Undefined: cookies hold none. */
  cookie: string | undefined
  provenance: (request: IncomingMessage) => Provenance
}

/** The credentials of a handshake: `auth.token`, else `Authorization: Bearer`, else the cookie. */
export function createCredentials({ cookie, provenance }: CredentialsDeps) {
  return (auth: unknown, request: IncomingMessage): Credentials => ({
    auth,
    otherToken() {
      const { authorization } = request.headers
      if (authorization !== undefined) return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
      const token = cookie === undefined ? undefined : cookieOf(request, cookie)
      if (token === undefined) return undefined
      // Browsers add cookies to what any page asks for: it must be one of ours that asks.
      const ours =
        provenance(request) === 'trusted' || request.headers['sec-fetch-site'] === 'same-origin'
      if (ours) return token
      throw new GatewayError('UNAUTHORIZED', 'token: a cookie counts only from an allowed origin')
    },
  })
}

/** Undefined also where there are several: which one is meant cannot be told. */
function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  const values = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [key, ...value] = pair.split('=')
    return key?.trim() === name ? [value.join('=').trim()] : []
  })
  return values.length === 1 && values[0] !== '' ? values[0] : undefined
}
