import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { GatewayError } from '../errors.ts'
import type { UserLedger } from './user-ledger.ts'

export type Scope = 'CONNECTION' | 'USER' | 'ADDRESS'
export type Spending = 'CONNECTS' | 'JOINS' | 'SENDS' | 'BYTES' | 'PACKETS'

/** So many in so long a time. */
export interface Rate {
  count: number
  perMs: number
}

export type Rates = Partial<Record<`LIMIT_${Scope}_${Spending}` | 'LIMIT_REFUSALS', Rate>>

/** Who spends; what is absent is not limited. */
export interface Spender {
  user?: string
  address?: string | undefined
}

/**
 * Counts what connections spend of limits that they share with others (their own: allowance.ts), per
 * address on this instance, per user over all of them. Windows are fixed: they begin with the first
 * spending.
 */
export interface RateLimits {
  /**
   * Spends, first of the narrower limit: who is over it takes nothing of the wider one.
   *
   * @throws GatewayError RATE_LIMITED with `retryAfterMs`
   */
  spend(spender: Spender, what: Spending, amount?: number): Promise<void>
  /** Whether anything of this is limited. */
  limits(what: Spending): boolean
  /** Nothing of this user for so long, on this instance: for who was sent away and comes back at once. */
  shutOut(user: string, forMs: number): void
  /** @throws GatewayError RATE_LIMITED with `retryAfterMs` for who was shut out */
  admit(user: string): Promise<void>
  stop(): void
}

/** Between two exchanges with other instances: a user may spend more than the limit for this long. */
const SHARE_MS = 200
/** Users who are told of in one exchange; those beyond it are limited by each instance on its own. */
const MAX_SHARED = 5000
const SCOPES = ['USER', 'ADDRESS'] as const
const WORDS: Readonly<Record<Spending, string>> = {
  CONNECTS: 'new connections',
  JOINS: 'joins and reads',
  SENDS: 'messages',
  BYTES: 'bytes',
  PACKETS: 'packets',
}

/** What a client is told of a limit. */
export function wordsOf(scope: Scope, what: Spending, { count, perMs }: Rate): string {
  const whose = scope === 'CONNECTION' ? 'of one connection' : `of one ${scope.toLowerCase()}`
  return `more than ${count} ${WORDS[what]} in ${perMs / 1000} s ${whose}`
}

export function createRateLimits(deps: {
  rates: Rates
  ledger: UserLedger
  now?: () => number
}): RateLimits {
  const { rates, ledger } = deps
  const now = deps.now ?? Date.now
  const limiters = new Map<string, { limiter: RateLimiterMemory; rate: Rate }>()
  for (const [name, rate] of Object.entries(rates)) {
    if (!SCOPES.some((scope) => name.startsWith(`LIMIT_${scope}_`))) continue
    const options = { points: rate.count, duration: rate.perMs / 1000, keyPrefix: '' }
    limiters.set(name, { limiter: new RateLimiterMemory(options), rate })
  }
  const excluded = new RateLimiterMemory({ points: 1, duration: 1, keyPrefix: '' })
  /** Spent here since the last exchange, by user, of each limit. */
  const unshared = new Map<string, Map<string, number>>()
  let timer: NodeJS.Timeout | undefined

  function share(name: string, user: string, amount: number): void {
    const spent = unshared.get(name) ?? new Map<string, number>()
    unshared.set(name, spent)
    if (!spent.has(user) && spent.size >= MAX_SHARED) return
    spent.set(user, (spent.get(user) ?? 0) + amount)
    timer ??= setTimeout(exchange, SHARE_MS).unref()
  }

  /** Whoever has spent too much on all instances together is stopped on this one as well. */
  async function exchangeOne(name: string, spent: ReadonlyMap<string, number>): Promise<void> {
    const known = limiters.get(name)
    if (known === undefined) return
    const { limiter, rate } = known
    const stretch = Math.floor(now() / rate.perMs)
    const what = `${name}:${stretch}`
    const uses = [...spent].map(([user, amount]) => ({
      ...{ user, amount, what },
      keepMs: rate.perMs * 2,
    }))
    const totals = await ledger.use(uses)
    const leftMs = (stretch + 1) * rate.perMs - now()
    for (const [index, { user }] of uses.entries()) {
      if ((totals[index] ?? 0) > rate.count && leftMs > 0) void limiter.block(user, leftMs / 1000)
    }
  }

  function exchange(): void {
    timer = undefined
    for (const [name, spent] of unshared) {
      unshared.delete(name)
      exchangeOne(name, spent).catch(() => undefined) // each instance limits what it sees itself
    }
  }

  async function spendOf(
    scope: 'USER' | 'ADDRESS',
    key: string,
    what: Spending,
    amount: number,
  ): Promise<void> {
    const name = `LIMIT_${scope}_${what}`
    const known = limiters.get(name)
    if (known === undefined) return
    try {
      await known.limiter.consume(key, amount)
    } catch (thrown) {
      const retryAfterMs = Math.max(1, (thrown as RateLimiterRes).msBeforeNext)
      throw new GatewayError('RATE_LIMITED', wordsOf(scope, what, known.rate), { retryAfterMs })
    }
    if (scope === 'USER') share(name, key, amount)
  }

  return {
    async spend({ user, address }, what, amount = 1) {
      if (user !== undefined) await spendOf('USER', user, what, amount)
      if (address !== undefined) await spendOf('ADDRESS', address, what, amount)
    },
    limits: (what) => SCOPES.some((scope) => limiters.has(`LIMIT_${scope}_${what}`)),
    shutOut: (user, forMs) => void excluded.block(user, forMs / 1000),
    async admit(user) {
      const out = await excluded.get(user)
      if (out === null || out.msBeforeNext <= 0) return
      const message = 'user: was sent away for asking too much'
      throw new GatewayError('RATE_LIMITED', message, { retryAfterMs: out.msBeforeNext })
    },
    stop() {
      clearTimeout(timer)
    },
  }
}
