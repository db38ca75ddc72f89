import { watchSecretFile } from '../secret-file.ts'
import { readTokenKey, type TokenKey, type TokenKeySource } from '../token-key.ts'

/** The keys of tokens that count now; a changed file counts within about two seconds. */
export interface TokenKeyFile {
  /** The newest first, at least one. */
  current(): readonly TokenKey[]
  stop(): void
}

export interface TokenKeyFileDeps {
  source: TokenKeySource
  path: string
  /** What the file held when the settings were read, and the key in it. */
  content: Uint8Array
  key: TokenKey
  /** How long the key before the newest still counts, ms: tokens of both are about in a rotation. */
  overlapMs: number
  /** Tokens of another key count from now on. */
  changed(): void
  /** The file cannot be read, or holds no key; the one from before goes on. */
  unusable(reason: string): void
  now?: () => number
}

export function createTokenKeyFile(deps: TokenKeyFileDeps): TokenKeyFile {
  const { source, overlapMs } = deps
  const now = deps.now ?? (() => performance.now())
  let text = Buffer.from(deps.content).toString('latin1')
  let newest = deps.key
  let former: { key: TokenKey; until: number } | undefined

  const file = watchSecretFile({
    path: deps.path,
    initial: text,
    parse: (content) => Buffer.from(content).toString('latin1'), // byte for byte
    changed(next) {
      if (next === text) return
      const key = readTokenKey(source, Buffer.from(next, 'latin1'))
      if ('problem' in key) {
        deps.unusable(key.problem)
        return
      }
      former = { key: newest, until: now() + overlapMs }
      newest = key
      text = next
      deps.changed()
    },
    unusable: deps.unusable,
    usable: () => undefined,
  })

  return {
    current() {
      if (former !== undefined && now() >= former.until) former = undefined
      return former === undefined ? [newest] : [newest, former.key]
    },
    stop: file.close,
  }
}
