import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { SessionStore } from '../../server/session/sessions.ts'

const one = { instance: 'one', boot: 'boot-1' }
const two = { instance: 'two', boot: 'boot-2' }
const at = expect.any(Number)

/** Two stores over one, as two instances have them. */
export function describeSessionStore(
  name: string,
  make: () => Promise<{ a: SessionStore; b: SessionStore }>,
): void {
  describe(`a session store in ${name}`, () => {
    test('an end that one instance noted is found by the other, once', async () => {
      const { a, b } = await make()
      expect(await a.opened('s', 'c1', one)).toEqual({ at, former: undefined, open: [] })
      await a.closed('s', 'c1', one, 'ping timeout')
      const back = await b.opened('s', 'c2', two)
      expect(back).toEqual({ at, former: { instance: 'one', cause: 'ping timeout', at }, open: [] })
      expect(back.at).toBeGreaterThanOrEqual(back.former?.at ?? Number.POSITIVE_INFINITY)
      expect((await a.opened('s', 'c3', one)).former).toBeUndefined()
      expect(await a.opened('another', 'c4', one)).toEqual({ at, former: undefined, open: [] })
    })

    test('open connections are named, the oldest first, only where none has ended', async () => {
      const { a, b } = await make()
      await a.opened('s', 'c1', one)
      await b.opened('s', 'c2', two)
      const open = [
        { connection: 'c1', ...one },
        { connection: 'c2', ...two },
      ]
      expect(await b.opened('s', 'c3', two)).toEqual({ at, former: undefined, open })
      await a.closed('s', 'c1', one, 'drain')
      const { former, open: none } = await b.opened('s', 'c4', two)
      expect([former?.cause, none]).toEqual(['drain', []])
    })

    test('of several ends the last is taken, then the one before', async () => {
      const { a } = await make()
      for (const id of ['c1', 'c2']) await a.opened('s', id, one)
      await a.closed('s', 'c1', one, 'first')
      await pause(5) // ends are told apart by their ms
      await a.closed('s', 'c2', one, 'second')
      expect((await a.opened('s', 'c3', one)).former?.cause).toBe('second')
      expect((await a.opened('s', 'c4', one)).former?.cause).toBe('first')
    })

    test('a look changes nothing; of two who take, one gets it; its end is heard no more', async () => {
      const { a, b } = await make()
      await a.opened('s', 'c1', one)
      await b.opened('s', 'c2', two)
      expect(await b.look('s', 'c1')).toEqual({ instance: 'one', cause: undefined, at })
      const taken = await Promise.all([a.take('s', 'c1'), b.take('s', 'c1')])
      expect(taken.filter((former) => former !== undefined)).toHaveLength(1)
      expect(await b.look('s', 'c1')).toBeUndefined()
      await a.closed('s', 'c1', one, 'ping timeout')
      expect(await b.look('s', 'c1')).toBeUndefined()
      expect(await b.look('nobody', 'c1')).toBeUndefined()
    })

    test('what was forgotten as a whole begins anew with an end', async () => {
      const { a, b } = await make()
      await a.closed('s', 'c1', one, 'transport close')
      expect((await b.opened('s', 'c2', two)).former?.cause).toBe('transport close')
    })

    test('what began later is never what a connection came back from', async () => {
      const { a, b } = await make()
      // Instances send their notes when they like: that of the first may come last.
      const first = a.opened('s', 'c1', one)
      await pause(5) // beginnings are told apart by their ms
      const tab = b.opened('s', 'c2', two)
      await pause(5)
      await Promise.all([tab, b.closed('s', 'c2', two, 'client namespace disconnect')])
      expect(await first).toEqual({ at, former: undefined, open: [] })
      // It has ended all the same, for whoever comes next.
      expect((await a.opened('s', 'c3', one)).former).toEqual({
        ...{ instance: 'two', cause: 'client namespace disconnect', at },
      })

      const early = a.opened('t', 'c1', one)
      await pause(5)
      await Promise.all([b.opened('t', 'c2', two), b.closed('another', 'c3', two, 'drain')])
      expect((await early).open).toEqual([])
    })

    test('D8 of a session with many connections the oldest are forgotten', async () => {
      const { a } = await make()
      for (let index = 0; index < 80; index += 1) await a.opened('s', `c${index}`, one)
      expect(await a.look('s', 'c0')).toBeUndefined()
      expect(await a.look('s', 'c79')).toBeDefined()
      const { open } = await a.opened('s', 'last', one)
      expect(open).toHaveLength(16)
    })
  })
}
