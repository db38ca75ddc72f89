import { describe, expect, it } from 'vitest'
import {
  type DuplicateCause,
  type DuplicateStore,
  noDuplicates,
} from '../../server/observability/duplicate-store.ts'

const by = (instance: string, sequence: number, boot = `boot of ${instance}`) => ({
  ...{ instance, boot, sequence },
})
const of = (counts: Partial<Record<DuplicateCause, number>>) => ({ ...noDuplicates(), ...counts })

/** What every store of duplicates must do; run against each implementation, with two over one. */
export function describeDuplicateStore(
  name: string,
  setUp: () => Promise<{ a: DuplicateStore; b: DuplicateStore }>,
): void {
  describe(`duplicate store: ${name}`, () => {
    it('adds up by cause, for an instance and for all', async () => {
      const { a, b } = await setUp()
      expect(await a.add(by('a', 1), of({ retry: 2 }))).toEqual({
        ...{ own: of({ retry: 2 }), cluster: of({ retry: 2 }) },
      })
      await b.add(by('b', 1), of({ retry: 1, content: 5 }))
      const totals = await a.add(by('a', 2), of({ cross_instance: 1, idempotency_key: 3 }))
      expect(totals).toEqual({
        own: of({ retry: 2, cross_instance: 1, idempotency_key: 3 }),
        cluster: of({ retry: 3, cross_instance: 1, idempotency_key: 3, content: 5 }),
      })
    })

    it('adds a call that comes again once, also beside one that only looks', async () => {
      const { a, b } = await setUp()
      const once = of({ retry: 2 })
      await a.add(by('a', 1), once)
      await b.add(by('a', 1), once)
      expect((await a.add(by('a', 2), noDuplicates())).cluster).toEqual(once)
      expect((await a.add(by('a', 2), of({ retry: 1 }))).cluster).toEqual(of({ retry: 3 }))
      expect((await a.add(by('a', 1), once)).cluster).toEqual(of({ retry: 3 }))
    })

    it('goes on where an instance of the same name begins anew', async () => {
      const { a, b } = await setUp()
      for (const sequence of [1, 2, 3]) await a.add(by('a', sequence), of({ retry: 1 }))
      const totals = await b.add(by('a', 1, 'another boot'), of({ content: 1 }))
      expect(totals.own).toEqual(of({ retry: 3, content: 1 }))
    })
  })
}
