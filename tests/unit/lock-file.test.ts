import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../support/gateway-process.ts'

interface LockedPackage {
  resolved?: string
  optionalDependencies?: Record<string, string>
}

const lockFile = readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8')
const packages = Object.entries(
  (JSON.parse(lockFile) as { packages: Record<string, LockedPackage> }).packages,
)

// npm leaves out of the lock what its registry does not have, and npm ci then fails everywhere. A
// mirror without the binaries of other platforms is enough for that.
test('the lock holds every optional dependency, of all platforms', () => {
  const names = new Set(packages.map(([path]) => path.split('node_modules/').at(-1)))
  const missing = packages.flatMap(([path, locked]) =>
    Object.keys(locked.optionalDependencies ?? {})
      .filter((name) => !names.has(name))
      .map((name) => `${path} needs ${name}`),
  )
  expect(missing).toEqual([])
})

test('the lock names no registry host', () => {
  expect(packages.filter(([, locked]) => locked.resolved !== undefined)).toEqual([])
})
