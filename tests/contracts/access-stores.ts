import { describe, expect, test } from 'vitest'
import type { ControlMessage, ControlStore } from '../../server/session/revocations.ts'
import type { UserLedger } from '../../server/session/user-ledger.ts'
import { eventually } from '../support/eventually.ts'

interface Instance {
  control: ControlStore
  ledger: UserLedger
}

/** What `ControlStore` and `UserLedger` promise, of two instances over one store. */
export function describeAccessStores(
  name: string,
  open: () => Promise<[Instance, Instance]>,
): void {
  describe(`${name}: control`, () => {
    async function listening() {
      const instances = await open()
      const heard = instances.map(({ control }) => {
        const messages: ControlMessage[] = []
        const ready = new Promise<void>((resolve) => {
          control.listen({ heard: (message) => messages.push(message), interrupted: resolve })
        })
        return { messages, ready }
      })
      await Promise.all(heard.map(({ ready }) => ready))
      return { instances, heard }
    }

    test('everybody hears of a revocation, and it stands until its end', async () => {
      const { instances, heard } = await listening()
      const until = Date.now() + 60_000
      const revocation = { user: 'mallory {with} braces', at: Date.now(), until }
      await instances[0].control.revoke(revocation)
      await instances[0].control.revoke({ tokenId: 'gone', at: 1, until: Date.now() + 1 })
      await eventually(() => heard.every(({ messages }) => messages.length === 2))
      for (const { messages } of heard) expect(messages[0]).toEqual({ kind: 'revoke', revocation })
      const standing = async () =>
        (await instances[1].control.standing()).filter((each) => each.until > Date.now())
      await eventually(async () => (await standing()).length === 1)
      expect(await standing()).toEqual([revocation])
    })

    test('a message is heard by everybody and not noted', async () => {
      const { instances, heard } = await listening()
      const message = { kind: 'disconnect', user: 'u', reconnect: true } as const
      await instances[1].control.tell(message)
      await eventually(() => heard.every(({ messages }) => messages.length === 1))
      expect(heard.map(({ messages }) => messages)).toEqual([[message], [message]])
      expect(await instances[0].control.standing()).toEqual([])
    })
  })

  describe(`${name}: ledger`, () => {
    test('of many who ask at once, on both, as many get a place as there are', async () => {
      const [a, b] = await open()
      const taken = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (index % 2 === 0 ? a : b).ledger.take('u', `c${index}`, 3),
        ),
      )
      expect(taken.filter(Boolean)).toHaveLength(3)
      expect(await a.ledger.take('another', 'c', 3)).toBe(true)
    })

    test('who has a place keeps it by asking again; one that is given up is free for all', async () => {
      const [a, b] = await open()
      expect(await a.ledger.take('u', 'one', 1)).toBe(true)
      expect(await a.ledger.take('u', 'one', 1)).toBe(true)
      expect(await b.ledger.take('u', 'two', 1)).toBe(false)
      await a.ledger.give({ user: 'u', connection: 'one' })
      expect(await b.ledger.take('u', 'two', 1)).toBe(true)
      await a.ledger.renew([{ user: 'u', connection: 'back' }]) // it was here all the time
      expect(await a.ledger.take('u', 'three', 2)).toBe(false)
    })

    test('what is used up is added up over both, for each user and purpose', async () => {
      const [a, b] = await open()
      const use = (user: string, what: string, amount: number) => ({
        ...{ user, what, amount },
        keepMs: 60_000,
      })
      expect(await a.ledger.use([use('u', 'sends', 3), use('v', 'sends', 1)])).toEqual([3, 1])
      expect(await b.ledger.use([use('u', 'sends', 4), use('u', 'joins', 1)])).toEqual([7, 1])
    })
  })
}
