import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FailureKind, RedisFailure } from '../../server/broker/redis/failure.ts'
import { options } from '../../server/options.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const guide = read('docs/OPERATIONS.md')

/** The rows of the table under a heading, as cells. */
function tableUnder(heading: string): string[][] {
  const section = guide.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
}

test('every kind of failure is explained, with the words of its log line', () => {
  const source = read('server/broker/redis/failure.ts')
  const union = source.slice(0, source.indexOf('export class'))
  const kinds = [...union.matchAll(/^ {2}\| '(\w+)'$/gm)].map(([, kind]) => kind as FailureKind)
  expect(kinds.length).toBeGreaterThan(15)
  const rows = new Map(tableUnder('Redis failures by kind').map(([kind, ...rest]) => [kind, rest]))
  expect([...rows.keys()].sort()).toEqual(kinds.map((kind) => `\`${kind}\``).sort())
  for (const kind of kinds) {
    const [words, meaning, remedy] = rows.get(`\`${kind}\``) ?? []
    expect(words).toBe(new RedisFailure(kind).message)
    expect(meaning?.length, kind).toBeGreaterThan(5)
    expect(remedy?.length, kind).toBeGreaterThan(5)
  }
})

test('the settings and files that it names exist', () => {
  const named = [...guide.matchAll(/`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`/g)].map(([, name]) =>
    String(name),
  )
  const others = /^OUTCOME_UNKNOWN$|^SLOW_CLIENT$|^SLOW_SECONDS$/
  const unknown = named.filter((name) => !(name in options) && !others.test(name))
  expect(unknown).toEqual([])
  for (const [, path = ''] of guide.matchAll(/\]\((?!#|http)([^)#]+)/g)) {
    expect(() => readFileSync(join(repositoryRoot, 'docs', path)), path).not.toThrow(/ENOENT/)
  }
})
