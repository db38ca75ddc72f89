import { z } from 'zod'
import type { Labels } from '../protocol.ts'

/** Says what a text is. */
export interface Classifier {
  /**
   * Undefined: it has nothing to say of this text.
   *
   * @throws ClassifierFailure
   */
  classify(text: string): Promise<Labels | undefined>
}

/** `open`: not asked, because it failed before; `full`: not asked, because too many texts wait. */
export type ClassifierFailureKind =
  | 'timeout'
  | 'unreachable'
  | 'rate_limited'
  | 'refused'
  | 'error'
  | 'nonsense'
  | 'open'
  | 'full'

/** Its message is made here: what a service answers may hold anything. */
export class ClassifierFailure extends Error {
  override readonly name = 'ClassifierFailure'
  readonly kind: ClassifierFailureKind
  /** What the service asked for, ms. */
  readonly retryAfterMs: number | undefined

  constructor(kind: ClassifierFailureKind, detail?: string, retryAfterMs?: number) {
    super(detail === undefined ? kind : `${kind}: ${detail}`)
    this.kind = kind
    this.retryAfterMs = retryAfterMs
  }
}

const MAX_LABELS = 32
const MAX_VALUE = 200
const word = z.string().max(MAX_VALUE)

/** Labels that a member may be sent: few, short, flat. */
const labels = z
  .record(
    z.string().min(1).max(64),
    z.union([word, z.number(), z.boolean(), z.null(), z.array(word).max(MAX_LABELS)]),
  )
  .refine((record) => Object.keys(record).length <= MAX_LABELS)

/** What `{ labels: … }` holds. @throws ClassifierFailure `nonsense` */
export function labelsIn(answer: unknown): Labels | undefined {
  const parsed = z.object({ labels }).safeParse(answer)
  if (!parsed.success) throw new ClassifierFailure('nonsense', 'no { labels: { … } }')
  return Object.keys(parsed.data.labels).length === 0 ? undefined : parsed.data.labels
}
