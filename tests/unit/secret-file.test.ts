import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { passwordFromFile } from '../../server/broker/redis/credentials.ts'
import { watchSecretFile } from '../../server/secret-file.ts'
import { eventually } from '../support/eventually.ts'
import { testScope } from '../support/test-scope.ts'

function arrange(name = 'password') {
  const scope = testScope()
  const dir = mkdtempSync(join(tmpdir(), 'roomwire-secret-'))
  scope.defer(() => rmSync(dir, { recursive: true }))
  const path = join(dir, name)
  const heard: string[] = []
  const watch = () => {
    const file = watchSecretFile({
      ...{ path, initial: 'one', parse: passwordFromFile },
      changed: (secret) => void heard.push(secret),
      unusable: (reason) => void heard.push(`unusable: ${reason}`),
      usable: () => void heard.push('usable'),
    })
    scope.defer(() => file.close())
    return file
  }
  const hears = (...expected: string[]) =>
    eventually(() => heard.length >= expected.length, { what: expected.join() }).then(() =>
      expect(heard).toEqual(expected),
    )
  return { dir, path, heard, watch, hears }
}

test('a file that is written anew, and one that is renamed over it', async () => {
  const { dir, path, watch, hears } = arrange()
  writeFileSync(path, 'one\n')
  watch()
  writeFileSync(path, 'two\n')
  await hears('two')
  writeFileSync(join(dir, 'next'), 'three')
  renameSync(join(dir, 'next'), path)
  await hears('two', 'three')
})

test('a directory behind a symbolic link that is turned, as Kubernetes does it', async () => {
  const { dir, path, watch, hears } = arrange()
  for (const secret of ['one', 'two']) {
    mkdirSync(join(dir, secret))
    writeFileSync(join(dir, secret, 'password'), secret)
  }
  symlinkSync('one', join(dir, '..data'))
  symlinkSync('..data/password', path)
  watch()
  symlinkSync('two', join(dir, '..data_tmp'))
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'))
  await hears('two')
})

test('while it is empty or gone what it held before counts, and it is told once', async () => {
  const { path, watch, hears } = arrange()
  writeFileSync(path, '')
  const file = watch()
  await hears('unusable: empty, or not UTF-8')
  await file.reread()
  await file.reread()
  rmSync(path)
  await hears('unusable: empty, or not UTF-8', 'unusable: ENOENT')
  writeFileSync(path, 'one')
  await hears('unusable: empty, or not UTF-8', 'unusable: ENOENT', 'usable')
})

test('asked to, it reads at once', async () => {
  const { path, heard, watch } = arrange()
  writeFileSync(path, 'one')
  const file = watch()
  writeFileSync(path, 'two')
  await file.reread()
  expect(heard).toEqual(['two'])
  await file.reread()
  expect(heard).toEqual(['two'])
})

test('a secret that is half written is nobody’s', async () => {
  const { path, heard, watch, hears } = arrange()
  writeFileSync(path, 'one')
  watch()
  // Never the same for as long as it takes to see it twice; then done.
  const begun = Date.now()
  for (let length = 1; Date.now() - begun < 1500; length++) {
    writeFileSync(path, 'x'.repeat(length))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(heard).toEqual([])
  writeFileSync(path, 'whole')
  await hears('whole')
})
