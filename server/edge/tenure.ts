import type { ByeEvent } from '../protocol.ts'
import { concerns } from '../session/authentication.ts'
import type { Identity } from '../session/identity.ts'
import type { Revocation } from '../session/revocations.ts'

/**
 * How long connections may stay: until their token expires, unless it is refreshed, or until somebody
 * ends their user's or their token's right. One clock for all of them; those without a token cost
 * nothing.
 */
export interface Tenure<Holder> {
  /** A connection begins, or has a new token. */
  holds(connection: Holder): void
  ended(connection: Holder): void
  revoked(revocation: Revocation): void
  disconnected(user: string, reconnect: boolean): void
  stop(): void
}

export interface TenureDeps<Holder> {
  all(): Iterable<Holder>
  expel(connection: Holder, bye: ByeEvent): void
  clockSkewMs: number
  now?: () => number
}

const TICK_MS = 250

export function createTenure<Holder extends { readonly identity: Identity }>({
  all,
  expel,
  clockSkewMs,
  ...deps
}: TenureDeps<Holder>): Tenure<Holder> {
  const now = deps.now ?? Date.now
  /** Connections by the tick in which their time is over. */
  const wheel = new Map<number, Set<Holder>>()
  const ticks = new Map<Holder, number>()
  /** By user, so that a revocation need not look at everybody. */
  const byUser = new Map<string, Set<Holder>>()
  const tickAt = (time: number) => Math.floor(time / TICK_MS)
  let turned = tickAt(now())
  /** Runs while somebody's time may end. */
  let clock: NodeJS.Timeout | undefined

  function start(): void {
    if (clock !== undefined) return
    turned = tickAt(now())
    clock = setInterval(turn, TICK_MS).unref()
  }

  function stop(): void {
    clearInterval(clock)
    clock = undefined
  }

  function turn(): void {
    const current = tickAt(now())
    // A clock that was set forward by years has no years of ticks to go through.
    const due =
      current - turned > wheel.size
        ? [...wheel.keys()].filter((tick) => tick <= current)
        : Array.from({ length: Math.max(0, current - turned) }, (_, i) => turned + 1 + i)
    turned = current
    for (const tick of due) {
      for (const connection of wheel.get(tick) ?? []) {
        // Who has a fresh token comes back by itself.
        expel(connection, { code: 'TOKEN_EXPIRED', reconnect: true })
      }
      wheel.delete(tick)
    }
    if (wheel.size === 0) stop()
  }

  function unschedule(connection: Holder): void {
    const tick = ticks.get(connection)
    if (tick === undefined) return
    ticks.delete(connection)
    const others = wheel.get(tick)
    others?.delete(connection)
    if (others?.size === 0) wheel.delete(tick)
  }

  return {
    holds(connection) {
      const { token, user } = connection.identity
      if (token === undefined) return
      unschedule(connection)
      start()
      // Never in a tick that is over.
      const tick = Math.max(tickAt(token.expiresAt + clockSkewMs) + 1, turned + 1)
      ticks.set(connection, tick)
      wheel.set(tick, (wheel.get(tick) ?? new Set<Holder>()).add(connection))
      byUser.set(user.id, (byUser.get(user.id) ?? new Set<Holder>()).add(connection))
    },
    ended(connection) {
      const { token, user } = connection.identity
      if (token === undefined) return
      unschedule(connection)
      const others = byUser.get(user.id)
      others?.delete(connection)
      if (others?.size === 0) byUser.delete(user.id)
    },
    revoked(revocation) {
      const candidates = 'user' in revocation ? byUser.get(revocation.user) : ticks.keys()
      for (const connection of [...(candidates ?? [])]) {
        const { token, user } = connection.identity
        if (token === undefined || !concerns(revocation, user.id, token)) continue
        expel(connection, { code: 'TOKEN_REVOKED', reconnect: false })
      }
    },
    disconnected(user, reconnect) {
      const candidates =
        byUser.get(user) ?? [...all()].filter(({ identity }) => identity.user.id === user)
      for (const connection of [...candidates])
        expel(connection, { code: 'DISCONNECTED', reconnect })
    },
    stop,
  }
}
