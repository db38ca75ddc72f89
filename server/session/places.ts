import { GatewayError } from '../errors.ts'
import { LEASE_MS, type Lease, type UserLedger } from './user-ledger.ts'

/** Bounds the connections that a user has at once, on all instances together. */
export interface Places {
  /** @throws GatewayError RATE_LIMITED where all places are taken */
  take(user: string, connection: string): Promise<void>
  /** Idempotent. */
  give(user: string, connection: string): void
  stop(): void
}

/** Leases are renewed three times in their life, a slice of them at a time. */
const RENEW_MS = LEASE_MS / 3
const SLICES = 20
/** A place may become free at any time; that of an instance that died when its lease ends. */
const RETRY_MS = 5000

export function createPlaces(deps: { ledger: UserLedger; max: number }): Places {
  const { ledger, max } = deps
  /** This instance's connections by user. */
  const here = new Map<string, Set<string>>()
  /** Those that the store has not answered for: a renewal would give them what it refuses. */
  const asking = new Set<string>()
  let due: Lease[] = []
  let share = 0

  const timer = setInterval(() => {
    if (due.length === 0) {
      due = all()
      share = Math.ceil(due.length / SLICES)
    }
    const slice = due.splice(-share)
    const held = slice.filter(
      ({ user, connection }) => here.get(user)?.has(connection) && !asking.has(connection),
    )
    if (held.length > 0) ledger.renew(held).catch(() => undefined) // it renews in ten seconds again
  }, RENEW_MS / SLICES)
  timer.unref()

  function all(): Lease[] {
    return [...here].flatMap(([user, held]) =>
      [...held].map((connection) => ({ user, connection })),
    )
  }

  function full(): GatewayError {
    return new GatewayError('RATE_LIMITED', `user: has ${max} connections, and may have no more`, {
      retryAfterMs: Math.round(RETRY_MS * (1 + Math.random())),
    })
  }

  function give(user: string, connection: string): void {
    const held = here.get(user)
    if (!held?.delete(connection)) return
    if (held.size === 0) here.delete(user)
    ledger.give({ user, connection }).catch(() => undefined) // the lease ends by itself
  }

  return {
    async take(user, connection) {
      const held = here.get(user) ?? new Set()
      if (held.size >= max) throw full()
      // Before anybody else is asked: it counts here even while the store is away (D7).
      here.set(user, held.add(connection))
      let taken = true
      asking.add(connection)
      try {
        taken = await ledger.take(user, connection, max)
      } catch {
        // Whether others are full cannot be told; nobody is kept out for that.
      } finally {
        asking.delete(connection)
      }
      if (taken) return
      held.delete(connection)
      if (held.size === 0 && here.get(user) === held) here.delete(user)
      throw full()
    },
    give,
    stop() {
      clearInterval(timer)
    },
  }
}
