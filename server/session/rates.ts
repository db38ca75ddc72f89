import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import { GatewayError } from '../errors.ts'
import type { UserLedger } from './user-ledger.ts'

export type Scope = 'CONNECTION' | 'USER' | 'ADDRESS'
export type Spending = 'CONNECTS' | 'JOINS' | 'SENDS' | 'BYTES'

/** So many in so long a time. */
export interface Rate {
  count: number
  perMs: number
}

export type Rates = Partial<Record<`LIMIT_${Scope}_${Spending}` | 'LIMIT_REFUSALS', Rate>>

/** Who spends; what is absent is not limited. */
export interface Spender {
  connection?: string
  user?: string
  address?: string | undefined
}

/**
 * Counts what is spent, per connection and address on this instance, per user over all of them. Windows
 * are fixed: they begin with the first spending.
 */
export interface RateLimits {
  /**
   * Spends, first of the narrowest limit: who is over it takes nothing of the wider ones.
   *
   * @throws GatewayError RATE_LIMITED with `retryAfterMs`
   */
  spend(spender: Spender, what: Spending, amount?: number): Promise<void>
  /** Whether anything of this is limited. */
  limits(what: Spending): boolean
  /** Counts a refusal; says whether the connection has had so many that it is to be sent away. */
  refused(connection: string): Promise<boolean>
  /** Nothing of this user for so long, on this instance: for who was sent away and comes back at once. */
  shutOut(user: string, forMs: number): void
  stop(): void
}

/** Between two exchanges with other instances: a user may spend more than the limit for this long. */
const SHARE_MS = 200
/** Users who are told of in one exchange; those beyond it are limited by each instance on its own. */
const MAX_SHARED = 5000
const SCOPES = ['CONNECTION', 'USER', 'ADDRESS'] as const
const WORDS: Readonly<Record<Spending, string>> = {
  CONNECTS: 'new connections',
  JOINS: 'joins and reads',
  SENDS: 'messages',
  BYTES: 'bytes',
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
    const options = { points: rate.count, duration: rate.perMs / 1000, keyPrefix: '' }
    limiters.set(name, { limiter: new RateLimiterMemory(options), rate })
  }
  const excluded = new RateLimiterMemory({ points: 1, duration: 1, keyPrefix: '' })
  /** Spent here since the last exchange, by user, of each limit. */
  const unshared = new Map<string, Map<string, number>>()
  let timer: NodeJS.Timeout | undefined

  function refusal(scope: Scope, what: Spending, { count, perMs }: Rate, retryAfterMs: number) {
    const whose = scope === 'CONNECTION' ? 'of one connection' : `of one ${scope.toLowerCase()}`
    const message = `more than ${count} ${WORDS[what]} in ${perMs / 1000} s ${whose}`
    return new GatewayError('RATE_LIMITED', message, { retryAfterMs: Math.max(1, retryAfterMs) })
  }

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

  async function spendOf(scope: Scope, key: string, what: Spending, amount: number): Promise<void> {
    const name = `LIMIT_${scope}_${what}`
    const known = limiters.get(name)
    if (known === undefined) return
    try {
      await known.limiter.consume(key, amount)
    } catch (thrown) {
      throw refusal(scope, what, known.rate, (thrown as RateLimiterRes).msBeforeNext)
    }
    if (scope === 'USER') share(name, key, amount)
  }

  return {
    async spend({ connection, user, address }, what, amount = 1) {
      if (what === 'CONNECTS' && user !== undefined) {
        const out = await excluded.get(user)
        if (out !== null && out.msBeforeNext > 0) {
          const message = 'user: was sent away for asking too much'
          throw new GatewayError('RATE_LIMITED', message, { retryAfterMs: out.msBeforeNext })
        }
      }
      const keys = { CONNECTION: connection, USER: user, ADDRESS: address }
      for (const scope of SCOPES) {
        const key = keys[scope]
        if (key !== undefined) await spendOf(scope, key, what, amount)
      }
    },
    limits: (what) => SCOPES.some((scope) => limiters.has(`LIMIT_${scope}_${what}`)),
    async refused(connection) {
      const known = limiters.get('LIMIT_REFUSALS')
      if (known === undefined) return false
      return known.limiter.consume(connection).then(
        () => false,
        () => true,
      )
    },
    shutOut: (user, forMs) => void excluded.block(user, forMs / 1000),
    stop() {
      clearTimeout(timer)
    },
  }
}
