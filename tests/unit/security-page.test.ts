import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../support/gateway-process.ts'

const page = readFileSync(join(repositoryRoot, 'docs/SECURITY.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => /^\| /.test(line) && !/^\| threat \|/.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))

test('the page has threats', () => {
  expect(rows.length).toBeGreaterThan(20)
})

test.each(rows)('%s: its test exists', (_threat, _defence, named) => {
  const [file = '', title = ''] = (named ?? '').split(' › ')
  expect(existsSync(join(repositoryRoot, file)), file).toBe(true)
  expect(title).not.toBe('')
  // In a title, not somewhere in the code.
  const titles = readFileSync(join(repositoryRoot, file), 'utf8').match(/(['`"]).+?\1/g) ?? []
  expect(
    titles.some((text) => text.includes(title)),
    named,
  ).toBe(true)
})
