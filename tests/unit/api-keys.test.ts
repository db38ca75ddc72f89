import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createApiKeyFile } from '../../server/session/api-key-file.ts'
import { API_SCOPES, createApiKey, findApiKey, readApiKeys } from '../../server/session/api-keys.ts'

test('a key is found by its hash, with its name and scopes', () => {
  const [one, two] = [createApiKey('one', []), createApiKey('two', ['read', 'claim'])]
  const { keys, problems } = readApiKeys(`# keys\n\n${one.line}\r\n  ${two.line}  \n`)
  expect(problems).toEqual([])
  expect(findApiKey(keys, one.key)?.scopes).toEqual(new Set(API_SCOPES))
  expect(findApiKey(keys, two.key)).toMatchObject({
    name: 'two',
    scopes: new Set(['read', 'claim']),
  })
  for (const wrong of [
    '',
    'rw_',
    one.line,
    one.key.slice(1),
    `${one.key} `,
    createApiKey('one', []).key,
  ]) {
    expect(findApiKey(keys, wrong)).toBeUndefined()
  }
  expect(one.line).not.toContain(one.key)
})

test('lines that are not right are named by number and left out', () => {
  const { line } = createApiKey('ok', [])
  const hash = line.split(':')[1]
  const text = ['no hash', 'x:y', `a b:${hash}`, `x:${hash}:all`, `x:${hash}:read:read`, line]
  const { keys, problems } = readApiKeys(text.join('\n'))
  expect(keys).toHaveLength(1)
  expect(problems.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5])
  expect(JSON.stringify(problems)).not.toContain(hash)
})

test('a name or scope that is not right is refused', () => {
  expect(() => createApiKey('a:b', [])).toThrow('name')
  expect(() => createApiKey('', [])).toThrow('name')
  expect(() => createApiKey('a', ['everything'])).toThrow('scopes are publish')
})

const WITHIN = { timeout: 10_000 }

test('another file counts without a restart; one that cannot be read changes nothing', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-keys-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const path = join(dir, 'keys')
  const [old, next] = [createApiKey('backend', []), createApiKey('backend', [])]
  await writeFile(path, old.line)
  const seen: string[] = []
  const file = createApiKeyFile(path, {
    loaded: (keys, problems) => void seen.push(`${keys} keys, ${problems.length} problems`),
    unreadable: (code) => void seen.push(code),
  })
  onTestFinished(file.stop)
  await file.ready
  expect(file.find(old.key)?.name).toBe('backend')
  await writeFile(`${path}.new`, `${old.line}\n${next.line}\nnonsense`)
  await rename(`${path}.new`, path)
  await expect.poll(() => file.find(next.key)?.name, WITHIN).toBe('backend')
  expect(file.find(old.key)?.name).toBe('backend')
  await rm(path)
  await expect.poll(() => seen.at(-1), WITHIN).toBe('ENOENT')
  expect(file.find(next.key)?.name).toBe('backend')
  await writeFile(path, next.line)
  await expect.poll(() => file.find(old.key), WITHIN).toBeUndefined()
  expect(seen).toEqual(['1 keys, 0 problems', '2 keys, 1 problems', 'ENOENT', '1 keys, 0 problems'])
})

test('a file that is emptied before it is filled refuses no key meanwhile; one that stays empty does', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-keys-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const path = join(dir, 'keys')
  const { key, line } = createApiKey('backend', [])
  await writeFile(path, line)
  let loaded = 0
  const file = createApiKeyFile(path, {
    loaded: () => {
      loaded += 1
    },
    unreadable: () => undefined,
  })
  onTestFinished(file.stop)
  await file.ready
  for (let number = 0; number < 15; number += 1) {
    await writeFile(path, '')
    await sleep(20) // well below the time in which a file settles
    await writeFile(path, line)
    await sleep(150)
    expect(file.find(key)?.name).toBe('backend')
  }
  expect(loaded).toBe(1)
  await writeFile(path, '')
  await expect.poll(() => file.find(key), WITHIN).toBeUndefined()
})
