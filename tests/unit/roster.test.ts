import { expect, onTestFinished, test } from 'vitest'
import { createMemoryPresence } from '../../server/broker/memory-presence.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import type { PresenceEvent } from '../../server/protocol.ts'
import { type Attendant, createRoster } from '../../server/rooms/roster.ts'

const person = (id: string): Attendant => ({ id: `connection of ${id}`, user: { id } })

/** Instances over one memory, and what their members were told. */
function open(instances = 2) {
  const store = createMemoryStore()
  const told: string[] = []
  const rosters = Array.from({ length: instances }, (_, index) => {
    const roster = createRoster({
      store: createMemoryPresence(store, `instance ${index}`),
      options: { graceMs: 0, leaseMs: 60_000 },
      tell: (member, { room, event, user }: PresenceEvent) =>
        void told.push(`${member.user.id}: ${event} ${user.id} ${room}`),
    })
    onTestFinished(() => roster.stop())
    return roster
  })
  const [one, two] = rosters
  if (one === undefined || two === undefined) return expect.fail()
  return { one, two, told }
}

test('D9 only who asked is told, of others, in the rooms they asked for', async () => {
  const { one, two, told } = open()
  const [ann, ben] = [person('ann'), person('ben')]
  for (const member of [ann, ben]) one.entered(member, 'r')
  one.watch(ann, 'r')
  await expect.poll(async () => (await two.members('r', 10)).count).toBe(2)
  two.entered(person('eve'), 'r')
  two.entered(person('dan'), 'another')
  await expect.poll(() => told).toEqual(['ann: join eve r'])
  one.left(ben, 'r', false)
  await expect.poll(() => told.at(-1)).toBe('ann: leave ben r')
  one.left(ann, 'r', false)
  two.entered(person('zoe'), 'r')
  await expect.poll(async () => (await one.members('r', 10)).count).toBe(2)
  expect(told).toEqual(['ann: join eve r', 'ann: leave ben r'])
})

test('members come by since, as many as asked for; the count is of all', async () => {
  const { one, two } = open()
  for (let index = 0; index < 30; index += 1) {
    const roster = index % 2 === 0 ? one : two
    roster.entered(person(`${index}`.padStart(2, '0')), 'r')
  }
  await expect.poll(async () => (await one.members('r', 100)).count).toBe(30)
  const { count, members } = await one.members('r', 12)
  expect(count).toBe(30)
  expect(members).toHaveLength(12)
  const since = members.map((member) => member.since)
  expect(since).toEqual(since.toSorted((a, b) => a - b))
  expect((await one.members('r', 0)).members).toEqual([])
  expect(await one.members('nobody is here', 10)).toEqual({ count: 0, members: [] })
})

test('above 200 members nobody is told; the count goes on', async () => {
  const { one, two, told } = open()
  const ann = person('ann')
  one.entered(ann, 'r')
  one.watch(ann, 'r')
  const crowd = Array.from({ length: 3000 }, (_, index) => person(`user ${index}`))
  for (const member of crowd) two.entered(member, 'r')
  await expect.poll(async () => (await one.members('r', 5)).count).toBe(3001)
  for (const member of crowd.slice(5)) two.left(member, 'r', false)
  await expect.poll(async () => (await one.members('r', 100)).count).toBe(6)
  expect(told).toEqual([])
})
