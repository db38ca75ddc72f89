import { expect, test } from 'vitest'
import type { Contender } from '../../bench/contenders/contender.ts'
import { withSection } from '../../bench/record.ts'
import { resultsOf } from '../../bench/report.ts'
import { holds, type Metric } from '../../bench/scenario.ts'
import { aligned } from '../../bench/table.ts'

const metrics: Metric[] = [
  { name: 'cpu', title: 'CPU', unit: 'µs', better: 'lower' },
  { name: 'rate', title: 'rate', unit: '/s', better: 'higher' },
  { name: 'died', title: 'died', unit: '' },
]

function run(name: string, figures: Record<string, number | undefined>[]) {
  const samples = figures.map((each) => ({ figures: each, notes: [] }))
  return { variant: 'v', contender: { name } as Contender, samples }
}

test('ratios are formed so that more is better for Roomwire', () => {
  const results = resultsOf({ metrics }, [
    run('roomwire', [{ cpu: 2, rate: 30, died: 0 }]),
    run('stock', [{ cpu: 8, rate: 10, died: 1 }]),
  ])
  expect(results.ratio('v', 'stock', 'cpu')?.ratio).toBe(4)
  expect(results.ratio('v', 'stock', 'rate')?.ratio).toBe(3)
  expect(results.ratio('v', 'stock', 'died')).toBeUndefined()
  expect(results.ratio('v', 'nobody', 'cpu')).toBeUndefined()
  expect(results.summary('v', 'stock', 'died')?.max).toBe(1)
})

test('a claim that was not measured neither holds nor fails', () => {
  expect(holds({ text: '', measured: undefined, atLeast: 1 })).toBeUndefined()
  expect(holds({ text: '', measured: 1, atLeast: 1 })).toBe(true)
  expect(holds({ text: '', measured: 1.1, atMost: 1 })).toBe(false)
  expect(holds({ text: '', measured: 0, atMost: 0 })).toBe(true)
})

test('columns are as wide as their widest cell, and lines end with their last one', () => {
  expect(
    aligned([
      ['', 'roomwire', 'stock'],
      ['CPU, µs', '1.00', ''],
    ]),
  ).toEqual(['         roomwire  stock', 'CPU, µs  1.00'])
})

test('a recorded section replaces the last one of its scenario and leaves the others', () => {
  const before = withSection(withSection('# Results\n', 'fanout', 'old'), 'publish', 'kept')
  const after = withSection(before, 'fanout', 'new\n')
  expect(after).toBe(
    '# Results\n\n## fanout\n\n```text\nnew\n```\n\n## publish\n\n```text\nkept\n```\n',
  )
})
