import { textOf } from '../content.ts'
import { type Classifier, ClassifierFailure } from './classifier.ts'

/** A stored message that may be given labels. */
export interface Classifiable {
  room: string
  offset: number
  /** ms since 1970. */
  at: number
  body: unknown
}

export interface ClassificationObserver {
  /** `none`: nothing to say; `gone`: the message is no longer there; `skipped`: there was no time. */
  ended(outcome: 'labelled' | 'none' | 'gone' | 'skipped' | 'failed', ms: number): void
  failed(kind: string, error: unknown): void
}

export interface ClassificationDeps {
  classifier: Classifier
  /** False where the message is no longer there. */
  label: (room: string, message: { offset: number; at: number; labels: string }) => Promise<boolean>
  /** The instance cannot keep up: labels come last. */
  overloaded: () => boolean
  observer: ClassificationObserver
}

/** Messages that may wait for their labels, of an instance; more go without (D8). */
const MAX_WAITING = 10_000

/** Gives labels to stored messages, one try each. Never rejects, and never delays its caller. */
export function createClassification(deps: ClassificationDeps): (message: Classifiable) => void {
  const { classifier, observer } = deps
  let waiting = 0

  async function classify({ room, offset, at }: Classifiable, text: string): Promise<void> {
    const started = performance.now()
    const end = (outcome: Parameters<typeof observer.ended>[0]) =>
      observer.ended(outcome, performance.now() - started)
    waiting += 1
    try {
      const labels = await classifier.classify(text)
      if (labels === undefined) return end('none')
      const given = await deps.label(room, { offset, at, labels: JSON.stringify(labels) })
      end(given ? 'labelled' : 'gone')
    } catch (error) {
      end('failed')
      observer.failed(error instanceof ClassifierFailure ? error.kind : 'store', error)
    } finally {
      waiting -= 1
    }
  }

  return (message) => {
    const text = textOf(message.body)
    if (text === undefined) return
    if (waiting >= MAX_WAITING || deps.overloaded()) observer.ended('skipped', 0)
    else void classify(message, text)
  }
}
