import type { IncomingMessage } from 'node:http'

/** What a request's `Origin` says of who made it. */
export type Provenance =
  /** Not a page: browsers name the origin where it matters, others need not. */
  | 'none'
  /** A page of ours, or of an origin that is named. */
  | 'trusted'
  /** Any page, where all are allowed. */
  | 'any'
  | 'foreign'

/**
 * Tells whose page a request comes from. Browsers apply CORS to polling but not to WebSocket: without
 * this, any page could open one in the name of who looks at it.
 *
 * @param allowed as `CORS_ALLOW_ORIGIN`: `['*']` is everybody, empty is nobody else
 * @param host the host that the client asked for
 */
export function createOrigins(
  allowed: readonly string[],
  host: (request: IncomingMessage) => string | undefined,
): (request: IncomingMessage) => Provenance {
  const named = new Set(allowed)
  const everybody = named.has('*')

  return (request) => {
    const { origin } = request.headers
    if (origin === undefined) return 'none'
    const own = host(request)?.toLowerCase()
    if (named.has(origin.toLowerCase()) || (own !== undefined && hostOf(origin) === own)) {
      return 'trusted'
    }
    return everybody ? 'any' : 'foreign'
  }
}

/** As `Host` has it: without the port that the scheme implies. Undefined for `null` and the like. */
function hostOf(origin: string): string | undefined {
  const match = /^https?:\/\/([^\s/?#@]+)$/i.exec(origin)
  if (match === null) return undefined
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
