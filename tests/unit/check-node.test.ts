import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../support/gateway-process.ts'

/** What it prints where Node says to be of this version; undefined where it lets it pass. */
function refusal(version: string): string | undefined {
  const pretend = `Object.defineProperty(process,'versions',{value:{node:'${version}'}})`
  const args = ['--import', `data:text/javascript,${pretend}`, 'scripts/check-node.cjs']
  try {
    execFileSync(process.execPath, args, { cwd: repositoryRoot, stdio: 'pipe' })
    return undefined
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr)
  }
}

test.each(['16.20.2', '18.20.8', '20.9.0'])('Node %s is too old: one line says so', (version) => {
  expect(refusal(version)).toBe(`Roomwire needs Node 20.19 or later, and this is ${version}.\n`)
})

test.each(['20.19.0', '20.20.2', '22.1.0', '100.0.0'])('Node %s will do', (version) => {
  expect(refusal(version)).toBeUndefined()
})
