import { readFile } from 'node:fs/promises'
import { type ApiKey, type ApiKeyProblem, findApiKey, readApiKeys } from './api-keys.ts'

/** The keys that hold now, as the file says: a changed file counts within a second. */
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

const EVERY_MS = 1000

export function createApiKeyFile(
  path: string,
  observer: ApiKeyFileObserver,
  everyMs = EVERY_MS,
): ApiKeyFile {
  let keys: readonly ApiKey[] = []
  let content: string | undefined
  let failure: string | undefined

  // Content rather than times: what orchestrators swap in by a link may be older.
  async function load(): Promise<void> {
    try {
      const text = await readFile(path, 'utf8')
      failure = undefined
      if (text === content) return
      content = text
      const read = readApiKeys(text)
      keys = read.keys
      observer.loaded(keys.length, read.problems)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
      if (code !== failure) observer.unreadable(code)
      failure = code
    }
  }

  let loading: Promise<void> | undefined
  function loadOnce(): Promise<void> {
    loading ??= load().finally(() => {
      loading = undefined
    })
    return loading
  }

  const ready = loadOnce()
  const timer = setInterval(() => void loadOnce(), everyMs)
  timer.unref()
  return {
    find: (key) => findApiKey(keys, key),
    ready,
    stop: () => clearInterval(timer),
  }
}
