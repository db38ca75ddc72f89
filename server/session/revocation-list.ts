import { GatewayError } from '../errors.ts'
import { concerns } from './authentication.ts'
import type { Control, ControlMessage, ControlStore, Revocation } from './revocations.ts'
import type { TokenHolder } from './tokens.ts'

/**
 * This instance's copy of all revocations: a handshake costs the store nothing, and what is known
 * holds while the store is away.
 */
export interface RevocationList {
  /** @throws GatewayError UNAVAILABLE until the store has been read once */
  isRevoked(holder: Pick<TokenHolder, 'user' | 'token'>): boolean
  readonly control: Control
  stop(): void
}

export interface RevocationListDeps {
  store: ControlStore
  /** Somebody's connections are to end, where they are. */
  revoked(revocation: Revocation): void
  disconnected(user: string, reconnect: boolean): void
  failed(error: unknown): void
  now?: () => number
}

const DEFAULT_KEEP_MS = 24 * 3_600_000
/** Longer than any sensible token lives. */
const MAX_KEEP_MS = 400 * 24 * 3_600_000
const RETRY_MS = 500
const SWEEP_MS = 60_000

export function createRevocationList(deps: RevocationListDeps): RevocationList {
  const { store } = deps
  const now = deps.now ?? Date.now
  /** By user (`u`) or token (`t`). */
  const standing = new Map<string, Revocation>()
  let known = false
  let stopped = false
  let retry: NodeJS.Timeout | undefined
  const sweep = setInterval(() => {
    for (const [key, { until }] of standing) if (until <= now()) standing.delete(key)
  }, SWEEP_MS)
  sweep.unref()

  function add(revocation: Revocation): void {
    const key = 'user' in revocation ? `u${revocation.user}` : `t${revocation.tokenId}`
    const former = standing.get(key)
    const { at, until } = revocation
    // The wider of both: a shorter one that comes later takes nothing back.
    const merged =
      former === undefined
        ? revocation
        : { ...revocation, at: Math.max(at, former.at), until: Math.max(until, former.until) }
    standing.set(key, merged)
    if (former === undefined || former.at < at) deps.revoked(merged)
  }

  function heard(message: ControlMessage): void {
    if (message.kind === 'revoke') add(message.revocation)
    else deps.disconnected(message.user, message.reconnect)
  }

  /** What was told while nobody here was listening. */
  async function catchUp(): Promise<void> {
    clearTimeout(retry)
    try {
      for (const revocation of await store.standing()) add(revocation)
      known = true
    } catch (error) {
      if (stopped) return
      deps.failed(error)
      retry = setTimeout(catchUp, RETRY_MS * (1 + Math.random()))
      retry.unref()
    }
  }

  store.listen({ heard, interrupted: () => void catchUp() })

  return {
    isRevoked({ user, token }) {
      if (!known) {
        throw new GatewayError('UNAVAILABLE', 'token: it is not known yet which were revoked', {
          retryAfterMs: 1000,
        })
      }
      const ofUser = standing.get(`u${user}`)
      const ofToken = token.id === undefined ? undefined : standing.get(`t${token.id}`)
      return [ofUser, ofToken].some(
        (found) => found !== undefined && found.until > now() && concerns(found, user, token),
      )
    },
    control: {
      async revoke({ until = now() + DEFAULT_KEEP_MS, ...who }) {
        const at = now()
        if (!(until > at)) throw new GatewayError('BAD_REQUEST', 'until: must be in the future')
        const revocation = { ...who, at, until: Math.min(until, at + MAX_KEEP_MS) } as Revocation
        await store.revoke(revocation)
        add(revocation) // whoever is answered next, here, is answered with it in mind
      },
      disconnectUser: (user, { reconnect = false } = {}) =>
        store.tell({ kind: 'disconnect', user, reconnect }),
    },
    stop() {
      stopped = true
      clearInterval(sweep)
      clearTimeout(retry)
    },
  }
}
