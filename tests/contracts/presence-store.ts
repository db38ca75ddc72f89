import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { PresenceChange, PresenceStore } from '../../server/rooms/presence.ts'

/** Two instances over one store. */
export interface PresencePair {
  a: PresenceStore
  b: PresenceStore
  names: { a: string; b: string }
}

interface Heard {
  told: { room: string; boot: string; change: PresenceChange }[]
  unclear: string[]
}

function listenTo(store: PresenceStore): Heard {
  const heard: Heard = { told: [], unclear: [] }
  store.listen({
    changed: (room, boot, change) => void heard.told.push({ room, boot, change }),
    unclear: (room) => void heard.unclear.push(room),
    restored: () => undefined,
  })
  return heard
}

const ALL = { most: 2000, some: 50 }
const user = (id: string, since = 1, name?: string) => ({
  user: name === undefined ? { id } : { id, name },
  since,
})
const change = (of: Partial<PresenceChange>): PresenceChange => ({
  ...{ whole: false, present: [], gone: [] },
  ...of,
})

/** What every presence store must do; run against each implementation. */
export function describePresenceStore(name: string, make: () => Promise<PresencePair>): void {
  describe(`presence store: ${name}`, () => {
    const fresh = () => `room {${randomUUID()}} 100%`

    test('what instances write is read by all, by instance', async () => {
      const { a, b } = await make()
      const room = fresh()
      await a.write(room, change({ present: [user('ann', 5, 'Ann É'), user('ben')] }))
      await b.write(room, change({ present: [user('ben', 7)] }))
      const found = await b.read(room, [a.boot, b.boot], ALL)
      expect(found).toEqual({
        whole: true,
        count: expect.any(Number),
        users: [
          { boot: a.boot, present: expect.arrayContaining([user('ann', 5, 'Ann É'), user('ben')]) },
          { boot: b.boot, present: [user('ben', 7)] },
        ],
      })
      expect((await b.read(room, [b.boot], ALL)).users).toHaveLength(1)
      expect((await b.read(fresh(), [a.boot, b.boot], ALL)).users).toEqual([])
      expect((await b.read(room, [], ALL)).users).toEqual([])
    })

    test('a change adds and removes, a whole one replaces', async () => {
      const { a } = await make()
      const room = fresh()
      const ids = async () => {
        const { users } = await a.read(room, [a.boot], ALL)
        return (users[0]?.present ?? []).map((each) => each.user.id).sort()
      }
      await a.write(room, change({ present: [user('1'), user('2'), user('3')] }))
      await a.write(room, change({ present: [user('4')], gone: ['1', 'nobody'] }))
      expect(await ids()).toEqual(['2', '3', '4'])
      await a.write(room, change({ whole: true, present: [user('5')] }))
      expect(await ids()).toEqual(['5'])
      await a.write(room, change({ gone: ['5'] }))
      expect(await ids()).toEqual([])
    })

    test('of many users some are read, and each is counted once', async () => {
      const { a, b } = await make()
      const room = fresh()
      const many = Array.from({ length: 2500 }, (_, index) => user(`user-${index}`))
      await a.write(room, change({ whole: true, present: many }))
      await b.write(room, change({ present: many.slice(0, 10) }))
      const found = await b.read(room, [a.boot, b.boot], ALL)
      expect(found).toMatchObject({ whole: false, count: 2500 })
      const read = found.users.flatMap(({ present }) => present)
      expect(read.length).toBeGreaterThanOrEqual(50)
      expect(read.length).toBeLessThan(500)
      const none = await b.read(room, [a.boot, b.boot], { most: 10, some: 0 })
      expect(none).toEqual({ whole: false, count: 2500, users: expect.any(Array) })
    })

    test('subscribers are told what is written, in order; others are not', async () => {
      const { a, b } = await make()
      const [heardA, heardB] = [listenTo(a), listenTo(b)]
      const room = fresh()
      await b.subscribe(room)
      await b.subscribe(`${room} 2`)
      const changes = [
        change({ present: [user('ann', 1, 'Ann')] }),
        change({ present: [user('ben')], gone: ['ann'] }),
        change({ whole: true, present: [user('ann')] }),
      ]
      for (const each of changes) await a.write(room, each)
      await expect.poll(() => heardB.told).toHaveLength(3)
      expect(heardB.told).toEqual(changes.map((each) => ({ room, boot: a.boot, change: each })))
      await b.unsubscribe(room)
      await a.write(room, change({ gone: ['ann'] }))
      await b.write(`${room} 2`, change({ gone: ['ann'] }))
      await expect.poll(() => heardB.told).toHaveLength(4)
      expect(heardB.told[3]?.room).toBe(`${room} 2`)
      expect(heardA.told).toEqual([])
    })

    test('a lease is seen by others until it ends; its end is told once', async () => {
      const { a, b, names } = await make()
      expect(await a.leases(undefined)).toEqual({ held: false, others: [], ended: [] })
      expect(await a.leases(60_000)).toMatchObject({ held: false })
      expect(await a.leases(300)).toMatchObject({ held: true, others: [] })
      const { others } = await b.leases(60_000)
      expect(others).toEqual([
        {
          boot: a.boot,
          instance: names.a,
          ageMs: expect.any(Number),
          remainingMs: expect.any(Number),
        },
      ])
      expect(others[0]?.remainingMs).toBeLessThanOrEqual(300)
      const ended: string[] = []
      await expect
        .poll(async () => {
          const looked = await b.leases(undefined)
          ended.push(...looked.ended)
          return looked.others
        })
        .toEqual([])
      await b.leases(undefined)
      expect(ended).toEqual([a.boot])
      const again = await a.leases(60_000)
      expect(again).toMatchObject({ held: false, ended: [] })
      expect(again.others.map(({ instance }) => instance)).toEqual([names.b])
    })

    test('a lease that was given up names nobody, and ends', async () => {
      const { a, b } = await make()
      await a.leases(60_000)
      await a.end(200)
      expect((await b.leases(undefined)).others).toMatchObject([{ boot: a.boot, instance: '' }])
      await expect.poll(async () => (await b.leases(undefined)).others).toEqual([])
    })

    test('what is written is kept', async () => {
      const { a } = await make()
      const rooms = [fresh(), fresh()]
      for (const room of rooms) await a.write(room, change({ present: [user('ann')] }))
      expect(await a.keep(rooms)).toEqual([])
    })
  })
}
