import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Claiming, ClaimStore } from '../../server/rooms/claims.ts'

/** What every store of claims must do; two instances over one store. */
export function describeClaimStore(
  name: string,
  make: () => Promise<{ a: ClaimStore; b: ClaimStore }>,
): void {
  describe(`claims: ${name}`, () => {
    const claiming = (of: Partial<Claiming> = {}): Claiming => ({
      ...{ room: 'r', group: 'bots', id: 'm', holder: 'one', leaseMs: 60_000, done: false },
      ...of,
    })

    test('of all who claim at once, through any instance, one wins', async () => {
      const { a, b } = await make()
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          (index % 2 === 0 ? a : b).claim(claiming({ holder: `bot ${index}` })),
        ),
      )
      expect(outcomes.filter(({ won }) => won)).toEqual([
        { won: true, done: false, remainingMs: 60_000 },
      ])
      for (const { remainingMs } of outcomes) {
        expect(remainingMs).toBeGreaterThan(50_000)
        expect(remainingMs).toBeLessThanOrEqual(60_000)
      }
    })

    test('other ids, groups and rooms are other claims', async () => {
      const { a, b } = await make()
      await a.claim(claiming())
      const id = randomUUID()
      for (const other of [{ id }, { group: 'x' }, { room: 'r2' }, { group: 'bo', id: 'ts:m' }]) {
        expect(await b.claim(claiming({ holder: 'two', ...other }))).toMatchObject({ won: true })
      }
    })

    test('the holder renews it, or gives it up', async () => {
      const { a, b } = await make()
      await a.claim(claiming({ leaseMs: 200 }))
      expect(await b.claim(claiming())).toEqual({ won: true, done: false, remainingMs: 60_000 })
      expect(await b.release(claiming({ holder: 'two' }))).toBe(false)
      expect(await b.claim(claiming({ holder: 'two' }))).toMatchObject({ won: false })
      expect(await b.release(claiming())).toBe(true)
      expect(await b.release(claiming())).toBe(false)
      expect(await a.claim(claiming({ holder: 'two' }))).toMatchObject({ won: true })
    })

    test('after the lease somebody else takes it over', async () => {
      const { a, b } = await make()
      await a.claim(claiming({ leaseMs: 150 }))
      const again = () => b.claim(claiming({ holder: 'two' }))
      const first = await again()
      expect(first.won).toBe(false)
      expect(first.remainingMs).toBeLessThanOrEqual(150)
      await expect.poll(async () => (await again()).won).toBe(true)
      expect(await a.claim(claiming())).toMatchObject({ won: false })
    })

    test('what is done stays its holder’s, and cannot be given up', async () => {
      const { a, b } = await make()
      await a.claim(claiming())
      expect(await a.claim(claiming({ done: true }))).toMatchObject({ won: true, done: true })
      expect(await a.release(claiming())).toBe(false)
      expect(await b.claim(claiming({ holder: 'two' }))).toMatchObject({ won: false, done: true })
      // The holder, started anew, learns that it has been done.
      expect(await b.claim(claiming())).toMatchObject({ won: true, done: true })
    })
  })
}
