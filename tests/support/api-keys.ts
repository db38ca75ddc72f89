import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiKey } from '../../server/session/api-keys.ts'
import type { Scope } from './scope.ts'

/** A file of API keys, and the keys by name. */
export interface TestKeys {
  /** For API_KEYS_FILE. */
  path: string
  keys: Record<string, string>
}

/** Makes one: names, each with its scopes, none for all. */
export async function writeApiKeys(
  scope: Scope,
  names: Record<string, readonly string[]> = { backend: [] },
): Promise<TestKeys> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-keys-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const made = Object.entries(names).map(([name, scopes]) => ({
    name,
    ...createApiKey(name, scopes),
  }))
  const path = join(dir, 'api-keys')
  await writeFile(path, made.map(({ line }) => `${line}\n`).join(''))
  return { path, keys: Object.fromEntries(made.map(({ name, key }) => [name, key])) }
}

/** Calls the server API; the status, and the reply as JSON. */
export async function callApi<T = Record<string, unknown>>(
  url: string,
  key: string | undefined,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; reply: T }> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, reply: (await response.json()) as T }
}
