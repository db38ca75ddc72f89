import { hash } from 'node:crypto'
import { normalizedText } from '../content.ts'
import type { Labels } from '../protocol.ts'
import type { Cache } from './cache.ts'
import type { Classifier } from './classifier.ts'

/**
 * Asks a classifier once for each text in the cluster: texts that read the same are one.
 *
 * @param name of the classifier: answers of another one are not taken for its own
 */
export function createCachedClassifier(
  inner: Classifier,
  { cache, name, ttlMs }: { cache: Cache; name: string; ttlMs: number },
): Classifier {
  const place = `labels/${hash('sha256', name, 'base64url').slice(0, 8)}`
  return {
    async classify(text) {
      const normalized = normalizedText(text)
      const key = `${place}/${hash('sha256', normalized, 'base64url')}`
      const labels = await cache.getOrCompute<Labels | null>(
        key,
        { ttlMs },
        async () => (await inner.classify(normalized)) ?? null,
      )
      return labels ?? undefined
    },
  }
}
