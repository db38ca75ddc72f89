import type { OptionReader } from './option-reader.ts'

/** What gives messages labels. */
export type ClassifierConfig = { kind: 'off' | 'language' } | HttpClassifierConfig

export interface HttpClassifierConfig {
  kind: 'http'
  url: string
  apiKey: string | undefined
  timeoutMs: number
  concurrency: number
  cacheTtlMs: number
}

const OF_HTTP = ['CLASSIFIER_URL', 'CLASSIFIER_API_KEY_FILE'] as const

export function readClassifier(reader: OptionReader): ClassifierConfig {
  const kind = reader.value('CLASSIFIER')
  if (kind !== 'http') {
    for (const name of OF_HTTP) {
      if (reader.isSet(name)) reader.warn(name, 'has no effect while CLASSIFIER is not http')
    }
    return { kind }
  }
  const url = reader.value('CLASSIFIER_URL')
  if (!reader.isSet('CLASSIFIER_URL')) {
    reader.problem('CLASSIFIER_URL', 'must be set where CLASSIFIER is http')
  }
  return {
    kind,
    url: url ?? '',
    apiKey: readKey(reader),
    timeoutMs: reader.value('CLASSIFIER_TIMEOUT'),
    concurrency: reader.value('CLASSIFIER_CONCURRENCY'),
    cacheTtlMs: reader.value('CLASSIFIER_CACHE_TTL'),
  }
}

function readKey(reader: OptionReader): string | undefined {
  const content = reader.file('CLASSIFIER_API_KEY_FILE')
  if (content === undefined) return undefined
  const key = new TextDecoder().decode(content).replace(/\r?\n$/, '')
  if (!/^[\x21-\x7e]+$/.test(key)) {
    reader.problem('CLASSIFIER_API_KEY_FILE', 'must name a file that holds a key and nothing else')
  }
  return key
}
