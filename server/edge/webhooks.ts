import { createHmac, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fetchFailureCode } from '../errors.ts'

/** What a backend is told of; `at` in ms since 1970. */
export interface WebhookEvent {
  type: 'room.occupied' | 'room.vacated'
  room: string
  at: number
}

/** Tells a backend what happens, beside everything else: nothing waits for it. */
export interface Webhooks {
  send(event: WebhookEvent): void
  readonly waiting: number
  stop(): void
}

export type WebhookOutcome = 'delivered' | 'retried' | 'refused' | 'dropped' | 'given_up'

export interface WebhooksDeps {
  url: string
  /** As it is now: it may change. */
  secret: () => string
  /** @param cause why, where it was not delivered: `status 503`, `ECONNREFUSED`, `TimeoutError` */
  outcome(of: WebhookOutcome, cause?: string): void
  /** Before the second attempt; doubled with each, up to a minute. */
  firstDelayMs?: number
}

/** D8: beyond it the newest are dropped. */
const MAX_WAITING = 1000
/** Deliveries at once: a slow backend holds up its own news only. */
const WIDTH = 4
const TIMEOUT_MS = 5000
const ATTEMPTS = 8
const MAX_DELAY_MS = 60_000

/**
 * Each event is a POST of `{ id, type, room, at }`. `roomwire-signature: t=<ms>,v1=<hex>` is the
 * HMAC-SHA256 of `<t>.<body>`; the id is the same for every attempt. An event may come more than once,
 * and later than the one after it.
 */
export function createWebhooks(deps: WebhooksDeps): Webhooks {
  const { url, secret, outcome } = deps
  const queue: string[] = []
  const ending = new AbortController()
  let working = 0

  function signatureOf(body: string): string {
    const t = Date.now()
    return `t=${t},v1=${createHmac('sha256', secret()).update(`${t}.${body}`).digest('hex')}`
  }

  /** Undefined, or why it is to come again. */
  async function attempt(body: string): Promise<string | undefined> {
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(TIMEOUT_MS)])
    const headers = { 'content-type': 'application/json', 'roomwire-signature': signatureOf(body) }
    const response = await fetch(url, { method: 'POST', body, headers, signal, redirect: 'manual' })
    await response.body?.cancel()
    const cause = `status ${response.status}`
    if (response.status >= 500 || response.status === 408 || response.status === 429) return cause
    if (response.ok) outcome('delivered')
    else outcome('refused', cause)
    return undefined
  }

  async function deliver(body: string): Promise<void> {
    for (let tried = 1; !ending.signal.aborted; tried += 1) {
      const cause = await attempt(body).catch(
        (error: unknown) => fetchFailureCode(error) ?? (error as Error).name,
      )
      if (cause === undefined) return
      if (tried === ATTEMPTS) return outcome('given_up', cause)
      outcome('retried', cause)
      const delayMs = Math.min(MAX_DELAY_MS, (deps.firstDelayMs ?? 1000) * 2 ** (tried - 1))
      const jittered = delayMs * (0.75 + Math.random() / 2)
      await sleep(jittered, undefined, { signal: ending.signal, ref: false }).catch(() => undefined)
    }
  }

  async function work(): Promise<void> {
    working += 1
    for (let body = queue.shift(); body !== undefined; body = queue.shift()) await deliver(body)
    working -= 1
  }

  return {
    send(event) {
      if (queue.length >= MAX_WAITING) return outcome('dropped', `${MAX_WAITING} wait`)
      queue.push(JSON.stringify({ id: randomUUID(), ...event }))
      if (working < WIDTH) void work()
    },
    get waiting() {
      return queue.length + working
    },
    stop: () => ending.abort(),
  }
}
