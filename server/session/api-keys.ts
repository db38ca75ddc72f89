import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a key may be limited to. */
export const API_SCOPES = ['publish', 'read', 'purge', 'claim', 'users'] as const
export type ApiScope = (typeof API_SCOPES)[number]

/** A backend that may use the server API. Its name scopes ids and claims (D2). */
export interface ApiKey {
  name: string
  /** SHA-256 of the key: 256 random bits need no slow hash. */
  hash: Buffer
  scopes: ReadonlySet<ApiScope>
}

export interface ApiKeyProblem {
  /** From 1. */
  line: number
  message: string
}

const NAME = /^[\w.-]{1,64}$/
const KEY_BYTES = 32

/**
 * Reads a file of keys, one a line: `name:sha256[:scope,scope]`; `#` begins a comment. No scopes: all
 * of them. Neither keys nor hashes are in the problems. Two lines of one name are two keys of one
 * backend, as while it changes from one to the other.
 */
export function readApiKeys(text: string): { keys: ApiKey[]; problems: ApiKeyProblem[] } {
  const keys: ApiKey[] = []
  const problems: ApiKeyProblem[] = []
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const refuse = (message: string) => void problems.push({ line: index + 1, message })
    const [name = '', hash = '', scopes, ...rest] = line.split(':')
    const wanted = scopes?.split(',').map((scope) => scope.trim())
    if (!NAME.test(name)) refuse('must begin with a name of letters, digits and . _ -')
    else if (!/^[0-9a-f]{64}$/i.test(hash)) refuse('must have a SHA-256 in hex after the name')
    else if (rest.length > 0 || wanted?.some((scope) => !isScope(scope))) {
      refuse(`must end with scopes among ${API_SCOPES.join(', ')}, or with none`)
    } else {
      const granted = new Set((wanted ?? API_SCOPES) as readonly ApiScope[])
      keys.push({ name, hash: Buffer.from(hash, 'hex'), scopes: granted })
    }
  }
  return { keys, problems }
}

/** A new key, and the line by which a gateway knows it. */
export function createApiKey(
  name: string,
  scopes: readonly string[],
): { key: string; line: string } {
  if (!NAME.test(name)) throw new Error('the name must be 1 to 64 letters, digits and . _ -')
  const unknown = scopes.filter((scope) => !isScope(scope))
  if (unknown.length > 0) throw new Error(`the scopes are ${API_SCOPES.join(', ')}`)
  const key = `rw_${randomBytes(KEY_BYTES).toString('base64url')}`
  const parts = [
    name,
    digest(key).toString('hex'),
    ...(scopes.length > 0 ? [scopes.join(',')] : []),
  ]
  return { key, line: parts.join(':') }
}

/** In the same time whichever it is, and if it is none. */
export function findApiKey(keys: readonly ApiKey[], given: string): ApiKey | undefined {
  const hash = digest(given)
  let found: ApiKey | undefined
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key
  return found
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function isScope(name: string): name is ApiScope {
  return (API_SCOPES as readonly string[]).includes(name)
}
