import { expect, test } from 'vitest'
import type { PresenceChange } from '../../server/rooms/presence.ts'
import { createRoomView, MAX_TOLD } from '../../server/rooms/room-view.ts'

const present = (...ids: string[]) => ids.map((id) => ({ user: { id }, since: 1 }))
const change = (of: Partial<PresenceChange>): PresenceChange => ({
  ...{ whole: false, present: [], gone: [] },
  ...of,
})
const reading = (users: Record<string, string[]>, whole = true) => ({
  whole,
  count: 0,
  users: Object.entries(users).map(([boot, ids]) => ({ boot, present: present(...ids) })),
})
const words = (events: readonly { event: string; user: { id: string } }[]) =>
  events.map(({ event, user }) => `${event} ${user.id}`)

test('what was there before is not told; a user of two instances comes once and goes once', () => {
  const view = createRoomView()
  expect(view.apply('a', change({ present: present('early') }))).toEqual([])
  expect(view.replace(reading({ a: ['ann'] }), [])).toEqual([])
  expect(words(view.apply('b', change({ present: present('ann', 'ben') })))).toEqual(['join ben'])
  expect(words(view.apply('a', change({ gone: ['ann'] })))).toEqual([])
  expect(words(view.apply('a', change({ present: present('ann') })))).toEqual([])
  expect(words(view.apply('b', change({ whole: true, present: present('eve') })))).toEqual([
    'leave ben',
    'join eve',
  ])
  expect(words(view.apply('a', change({ gone: ['ann', 'nobody'] })))).toEqual(['leave ann'])
})

test('the users of an instance that died go, unless they are elsewhere by now', () => {
  const view = createRoomView()
  view.replace(reading({ dead: ['ann', 'ben'], alive: ['ann'] }), [])
  expect(words(view.keepOnly(new Set(['alive'])))).toEqual(['leave ben'])
  expect(view.keepOnly(new Set(['alive']))).toEqual([])
})

test('a later reading mends what was missed, and what came while reading counts', () => {
  const view = createRoomView()
  view.replace(reading({ a: ['ann', 'ben'] }), [])
  const since = [{ boot: 'a', change: change({ present: present('eve'), gone: ['ben'] }) }]
  expect(words(view.replace(reading({ a: ['ben', 'dan'] }), since))).toEqual([
    'leave ann',
    'leave ben',
    'join dan',
    'join eve',
  ])
})

test(`beyond ${MAX_TOLD} members nobody is told, until a reading finds fewer`, () => {
  const view = createRoomView()
  const ids = Array.from({ length: MAX_TOLD }, (_, index) => `${index}`)
  view.replace(reading({ a: ids }), [])
  expect(view.off).toBe(false)
  expect(view.apply('b', change({ present: present('one more') }))).toEqual([])
  expect(view.off).toBe(true)
  expect(view.apply('b', change({ gone: ['one more'] }))).toEqual([])
  expect(view.replace(reading({ a: ids.slice(0, 5) }), [])).toEqual([])
  expect(words(view.apply('a', change({ gone: ['0'] })))).toEqual(['leave 0'])
  expect(view.replace(reading({}, false), [])).toEqual([])
  expect(view.off).toBe(true)
})
