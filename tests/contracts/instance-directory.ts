import { describe, expect, test } from 'vitest'
import type { InstanceDirectory } from '../../server/observability/directory.ts'
import { summaryOf } from '../support/instance-summary.ts'

/** Two directories over one store, as two instances have them. */
export function describeInstanceDirectory(
  name: string,
  make: () => Promise<{ a: InstanceDirectory; b: InstanceDirectory }>,
): void {
  describe(`an instance directory in ${name}`, () => {
    test('each finds the other, and itself, with what they said last', async () => {
      const { a, b } = await make()
      const one = summaryOf('one', { connections: 3 })
      expect((await a.exchange(one)).map(({ summary }) => summary)).toEqual([one])
      const two = summaryOf('two', { sendP99Ms: 1.5 })
      const seen = await b.exchange(two)
      expect(byName(seen)).toEqual([one, two])
      for (const { ageMs } of seen) expect(ageMs).toBeGreaterThanOrEqual(0)

      const again = summaryOf('one', { connections: 4, status: 'stopped' })
      await a.exchange(again)
      expect(byName(await b.exchange(two))).toEqual([again, two])
    })

    test('two processes of one name are two', async () => {
      const { a, b } = await make()
      await a.exchange(summaryOf('same', { boot: 'first' }))
      const seen = await b.exchange(summaryOf('same', { boot: 'second' }))
      expect(seen.map(({ summary }) => summary.boot).sort()).toEqual(['first', 'second'])
    })

    test('ages grow until the next summary', async () => {
      const { a, b } = await make()
      await a.exchange(summaryOf('one'))
      const age = async () => {
        const seen = await b.exchange(summaryOf('two'))
        return seen.find(({ summary }) => summary.instance === 'one')?.ageMs ?? -1
      }
      while ((await age()) < 50);
      const before = await age()
      await a.exchange(summaryOf('one'))
      expect(before).toBeGreaterThanOrEqual(50)
      expect(await age()).toBeLessThan(before)
    })
  })
}

function byName(seen: Awaited<ReturnType<InstanceDirectory['exchange']>>) {
  return seen
    .map(({ summary }) => summary)
    .sort((one, other) => one.instance.localeCompare(other.instance))
}
