import { type Rates, type Spending, wordsOf } from './rates.ts'

/**
 * What one connection has spent of its own limits, in fixed windows that begin with the first spending.
 * Plain fields beside shared functions: it is asked for every packet, before anything is made of it.
 */
export interface Allowance {
  windows: Partial<Record<Counted, Window>>
}

/** Nothing more of something until then (of the given clock); `why` is for the client. */
export interface Closed {
  readonly until: number
  readonly why: string
}

export interface Allowances {
  open(): Allowance
  /** Undefined: it may. What is over the limit counts all the same, so that no less fits in after it. */
  spend(allowance: Allowance, what: Spending, amount: number): Closed | undefined
  /** A limit that it shares with others is used up. */
  close(allowance: Allowance, what: Spending, forMs: number, why: string): void
  /** Counts a refusal; says whether there were so many that it is to be sent away. */
  refused(allowance: Allowance): boolean
}

type Counted = Spending | 'REFUSALS'

interface Window {
  spent: number
  until: number
  why: string
}

export function createAllowances(
  rates: Rates,
  now: () => number = () => performance.now(),
): Allowances {
  function limitOf(what: Counted) {
    const rate = what === 'REFUSALS' ? rates.LIMIT_REFUSALS : rates[`LIMIT_CONNECTION_${what}`]
    const why = what === 'REFUSALS' || !rate ? '' : wordsOf('CONNECTION', what, rate)
    return { count: Number.MAX_VALUE, perMs: 0, ...rate, why }
  }
  const limits: Readonly<Record<Counted, ReturnType<typeof limitOf>>> = {
    CONNECTS: limitOf('CONNECTS'),
    JOINS: limitOf('JOINS'),
    SENDS: limitOf('SENDS'),
    BYTES: limitOf('BYTES'),
    PACKETS: limitOf('PACKETS'),
    REFUSALS: limitOf('REFUSALS'),
  }

  function spend(allowance: Allowance, what: Counted, amount: number): Closed | undefined {
    const { count, perMs, why } = limits[what]
    const window = allowance.windows[what]
    if (window === undefined || window.until <= now()) {
      if (perMs === 0) return undefined
      const fresh = { spent: amount, until: now() + perMs, why }
      allowance.windows[what] = fresh
      return amount > count ? fresh : undefined
    }
    window.spent += amount
    return window.spent > count ? window : undefined
  }

  return {
    open: () => ({ windows: {} }),
    spend,
    close(allowance, what, forMs, why) {
      allowance.windows[what] = { spent: Number.POSITIVE_INFINITY, until: now() + forMs, why }
    },
    refused: (allowance) => spend(allowance, 'REFUSALS', 1) !== undefined,
  }
}
