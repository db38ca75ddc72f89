import { beforeEach, expect, test, vi } from 'vitest'
import { createAttendance } from '../../server/rooms/attendance.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
  return () => void vi.useRealTimers()
})

const ann = { id: 'ann', name: 'Ann' }
const ben = { id: 'ben' }

function attend(graceMs = 10_000) {
  const changed: string[] = []
  const attendance = createAttendance({ graceMs, changed: (room) => void changed.push(room) })
  return { attendance, changed, take: () => attendance.take('r', false) }
}

test('a user is there once, with as many connections as they like', () => {
  const { attendance, changed, take } = attend()
  attendance.entered('r', ann)
  vi.advanceTimersByTime(50)
  attendance.entered('r', ann)
  attendance.entered('r', ben)
  expect(changed).toEqual(['r'])
  const present = [
    { user: ann, since: 1_000_000 },
    { user: ben, since: 1_000_050 },
  ]
  expect(take()).toEqual({ whole: false, present, gone: [] })
  attendance.left('r', ann, false)
  expect(take()).toEqual({ whole: false, present: [], gone: [] })
  attendance.left('r', ann, false)
  expect(take()).toEqual({ whole: false, present: [], gone: ['ann'] })
  expect(attendance.present('r')).toEqual([present[1]])
})

test('who leaves is gone at once, who is cut off after the grace period', () => {
  const { attendance, take } = attend()
  for (const user of [ann, ben]) attendance.entered('r', user)
  take()
  attendance.left('r', ann, true)
  attendance.left('r', ben, false)
  expect(take().gone).toEqual(['ben'])
  vi.advanceTimersByTime(9_999)
  expect(take().gone).toEqual([])
  vi.advanceTimersByTime(1)
  expect(take().gone).toEqual(['ann'])
  expect([...attendance.rooms()]).toEqual([])
})

test('who returns within the grace period has never left', () => {
  const { attendance, changed, take } = attend()
  attendance.entered('r', ann)
  take()
  changed.length = 0
  for (let times = 0; times < 5; times += 1) {
    attendance.left('r', ann, true)
    vi.advanceTimersByTime(9_000)
    attendance.entered('r', ann)
  }
  vi.advanceTimersByTime(60_000)
  expect(changed).toEqual([])
  expect(attendance.present('r')).toEqual([{ user: ann, since: 1_000_000 }])
})

test('each waits for a grace period of their own', () => {
  const { attendance, take } = attend()
  const users = Array.from({ length: 100 }, (_, index) => ({ id: `${index}` }))
  for (const user of users) attendance.entered('r', user)
  take()
  for (const user of users) {
    attendance.left('r', user, true)
    vi.advanceTimersByTime(100)
  }
  for (const user of users) {
    expect(take().gone).toEqual([user.id])
    vi.advanceTimersByTime(100)
  }
})

test('another name is told, and a whole change tells everybody', () => {
  const { attendance, take } = attend(0)
  attendance.entered('r', ann)
  attendance.entered('r', ben)
  take()
  attendance.entered('r', { id: 'ben', name: 'Ben' })
  expect(take().present).toEqual([{ user: { id: 'ben', name: 'Ben' }, since: 1_000_000 }])
  attendance.left('r', ann, true)
  expect(attendance.take('r', true)).toMatchObject({
    whole: true,
    present: [{ user: { id: 'ben', name: 'Ben' } }],
  })
  expect(attendance.take('nobody was here', true)).toEqual({ whole: true, present: [], gone: [] })
})
