import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  ConsecutiveBreaker,
  circuitBreaker,
  DelegateBackoff,
  ExponentialBackoff,
  handleWhen,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel'
import { BodyTooLong, boundedBody } from '../bounded-body.ts'
import { fetchFailureCode } from '../errors.ts'
import type { Labels } from '../protocol.ts'
import {
  type Classifier,
  ClassifierFailure,
  type ClassifierFailureKind,
  labelsIn,
} from './classifier.ts'

export interface HttpClassifierOptions {
  /** Takes `POST { "text": … }`, answers `{ "labels": { … } }`. */
  url: string
  /** Sent as `Authorization: Bearer`. */
  apiKey: string | undefined
  timeoutMs: number
  /** Calls under way at once. */
  concurrency: number
}

export interface HttpClassifierObserver {
  called(outcome: 'ok' | ClassifierFailureKind, ms: number): void
  /** It is left alone for a while, or asked again. */
  breaker(open: boolean, cause: string | undefined): void
}

const MAX_ATTEMPTS = 3
const FIRST_PAUSE_MS = 100
/** Longest pause that a service may ask for before its next attempt; others wait behind it. */
const MAX_PAUSE_MS = 5000
/** Texts that wait for a call (D8). */
const MAX_QUEUE = 1000
/** So many failures one after the other open the breaker, for this long at first and at last. */
const FAILURES = 5
const OPEN_FIRST_MS = 1000
const OPEN_MAX_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024

/** What may go better next time. */
const PASSING: ReadonlySet<ClassifierFailureKind> = new Set([
  'timeout',
  'unreachable',
  'rate_limited',
  'error',
])

/** A service over HTTP: bounded in time, in calls and in what waits, and left alone while it fails. */
export function createHttpClassifier(
  options: HttpClassifierOptions,
  observer: HttpClassifierObserver,
): Classifier {
  // The first `fetch` of a process loads it, 0.1 s and more: at the start, not while labels are waited for.
  fetch('data:,').catch(() => undefined)
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(options.apiKey !== undefined && { authorization: `Bearer ${options.apiKey}` }),
  }

  async function call(text: string, signal: AbortSignal): Promise<Labels | undefined> {
    const response = await fetch(options.url, {
      ...{ method: 'POST', headers, signal, redirect: 'error' },
      body: JSON.stringify({ text }),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw refusal(response)
    }
    return labelsIn(await readAnswer(response))
  }

  async function attempt(text: string, signal: AbortSignal): Promise<Labels | undefined> {
    const started = performance.now()
    let outcome: 'ok' | ClassifierFailureKind = 'ok'
    try {
      return await call(text, signal)
    } catch (error) {
      const failure = asFailure(error, signal)
      outcome = failure.kind
      throw failure
    } finally {
      observer.called(outcome, performance.now() - started)
    }
  }

  const kindOf = (error: unknown) =>
    error instanceof TaskCancelledError
      ? 'timeout'
      : error instanceof ClassifierFailure
        ? error.kind
        : 'error'
  const retries = retry(
    handleWhen((error) => PASSING.has(kindOf(error))),
    {
      maxAttempts: MAX_ATTEMPTS - 1,
      backoff: new DelegateBackoff((context) => {
        const { result } = context
        const asked =
          'error' in result && result.error instanceof ClassifierFailure
            ? result.error.retryAfterMs
            : undefined
        const own = FIRST_PAUSE_MS * 2 ** context.attempt * (0.5 + Math.random() / 2)
        return Math.min(MAX_PAUSE_MS, Math.max(own, asked ?? 0))
      }),
    },
  )
  const breaker = circuitBreaker(
    // One text that it refuses says nothing about the others.
    handleWhen((error) => kindOf(error) !== 'refused'),
    {
      breaker: new ConsecutiveBreaker(FAILURES),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: OPEN_FIRST_MS, maxDelay: OPEN_MAX_MS }),
    },
  )
  breaker.onBreak((reason) => {
    observer.breaker(true, 'error' in reason ? kindOf(reason.error) : undefined)
  })
  breaker.onReset(() => observer.breaker(false, undefined))
  const policy = wrap(
    bulkhead(options.concurrency, MAX_QUEUE),
    retries,
    breaker,
    timeout(options.timeoutMs, TimeoutStrategy.Aggressive),
  )

  return {
    async classify(text) {
      try {
        return await policy.execute(({ signal }) => attempt(text, signal))
      } catch (error) {
        if (error instanceof BrokenCircuitError) throw new ClassifierFailure('open')
        if (error instanceof BulkheadRejectedError) throw new ClassifierFailure('full')
        if (error instanceof TaskCancelledError) throw new ClassifierFailure('timeout')
        throw error
      }
    },
  }
}

function refusal(response: Response): ClassifierFailure {
  const { status } = response
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
  if (status === 429) return new ClassifierFailure('rate_limited', undefined, retryAfterMs)
  const kind = [400, 413, 415, 422].includes(status) ? 'refused' : 'error'
  return new ClassifierFailure(kind, `status ${status}`, retryAfterMs)
}

function asFailure(error: unknown, signal: AbortSignal): ClassifierFailure {
  if (error instanceof ClassifierFailure) return error
  if (signal.aborted) return new ClassifierFailure('timeout')
  return new ClassifierFailure('unreachable', fetchFailureCode(error))
}

async function readAnswer(response: Response): Promise<unknown> {
  const text = await boundedBody(response, MAX_ANSWER_BYTES).catch((error: unknown) => {
    if (!(error instanceof BodyTooLong)) throw error
    throw new ClassifierFailure('nonsense', 'the answer is too long')
  })
  try {
    return JSON.parse(text)
  } catch {
    throw new ClassifierFailure('nonsense', 'the answer is no JSON')
  }
}
