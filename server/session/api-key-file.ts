import { watchSecretFile } from '../secret-file.ts'
import { type ApiKey, type ApiKeyProblem, findApiKey, readApiKeys } from './api-keys.ts'

/** The keys that hold now, as the file says: a changed file counts within about a second. */
export interface ApiKeyFile {
  find(key: string): ApiKey | undefined
  /** Resolves when the file was read for the first time. */
  readonly ready: Promise<void>
  stop(): void
}

export interface ApiKeyFileObserver {
  /** Other keys hold from now on; lines with a problem hold none. */
  loaded(keys: number, problems: readonly ApiKeyProblem[]): void
  /** The file cannot be read, with the system's code; the keys from before go on. */
  unreadable(code: string): void
}

export function createApiKeyFile(path: string, observer: ApiKeyFileObserver): ApiKeyFile {
  let keys: readonly ApiKey[] = []
  const file = watchSecretFile({
    path,
    initial: undefined,
    // An empty one is meant so: it holds no key any more.
    parse: (content) => new TextDecoder().decode(content),
    changed(text) {
      const read = readApiKeys(text)
      keys = read.keys
      observer.loaded(keys.length, read.problems)
    },
    unusable: observer.unreadable,
    usable: () => undefined,
  })
  return { find: (key) => findApiKey(keys, key), ready: file.reread(), stop: file.close }
}
