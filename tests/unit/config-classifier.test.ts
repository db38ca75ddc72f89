import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../server/config.ts'

const KEY = '/run/secrets/key'
const contents: Record<string, string> = { [KEY]: 'sk-1\n', '/two-lines': 'a\nb\n' }

function read(env: Record<string, string>) {
  return readConfig(env, (path) => {
    const content = contents[path]
    if (content === undefined) throw Object.assign(new Error(), { code: 'ENOENT' })
    return new TextEncoder().encode(content)
  })
}

function problemsOf(env: Record<string, string>): string[] {
  try {
    read(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ variable, message }) => `${variable} ${message}`)
  }
  return []
}

test('a service, with its limits and the key of a file', () => {
  const { config, warnings } = read({
    CLASSIFIER: 'http',
    CLASSIFIER_URL: 'https://classifier.example/v1?model=a',
    CLASSIFIER_API_KEY_FILE: KEY,
    CLASSIFIER_TIMEOUT: '2s',
  })
  expect(config.classifier).toEqual({
    kind: 'http',
    url: 'https://classifier.example/v1?model=a',
    apiKey: 'sk-1',
    ...{ timeoutMs: 2000, concurrency: 4, cacheTtlMs: 7 * 86_400_000 },
  })
  expect(warnings).toEqual([])
})

test('what it lacks, and what has no effect, is named, never shown', () => {
  expect(problemsOf({ CLASSIFIER: 'http' })).toEqual([
    'CLASSIFIER_URL must be set where CLASSIFIER is http',
  ])
  const url = 'https://user:hunter2@classifier.example/'
  expect(problemsOf({ CLASSIFIER: 'http', CLASSIFIER_URL: url })).toEqual([
    'CLASSIFIER_URL must be a URL that begins with https:// or http://, without user and password',
  ])
  const service = { CLASSIFIER: 'http', CLASSIFIER_URL: 'http://c.example/' }
  expect(problemsOf({ ...service, CLASSIFIER_API_KEY_FILE: '/two-lines' })).toEqual([
    'CLASSIFIER_API_KEY_FILE must name a file that holds a key and nothing else',
  ])
  expect(problemsOf({ CLASSIFIER: 'http', CLASSIFIER_URL: 'ftp://c.example' })).toHaveLength(1)
  expect(problemsOf({ CLASSIFIER: 'gpt' })).toEqual([
    'CLASSIFIER must be one of off, language, http',
  ])
  expect(read({ CLASSIFIER_URL: 'http://c.example/' }).warnings).toMatchObject([
    { variable: 'CLASSIFIER_URL', message: 'has no effect while CLASSIFIER is not http' },
  ])
})
