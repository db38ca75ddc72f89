import { expect, test } from 'vitest'
import type { Status } from '../../client/connect.ts'
import { RoomwireError } from '../../client/errors.ts'
import { deliveriesText, noticeText, storageText } from '../../client-demo/src/plain-words.ts'

const live: Status = {
  state: 'live',
  error: undefined,
  transport: 'websocket',
  instance: 'one',
  user: undefined,
  durability: 'durable',
  reconnections: 0,
  storage: 'indexeddb',
}

test.each([
  ['durable', 'In Redis'],
  ['best-effort', 'In Redis, may be evicted'],
  ['memory', 'In memory'],
  [undefined, '–'],
] as const)('durability %s: %s', (durability, text) => {
  expect(storageText({ ...live, durability })).toBe(text)
})

test.each([
  [{ repeats: 0, holes: 0 }, 'In order, each once'],
  [{ repeats: 1, holes: 0 }, '1 repeat dropped'],
  [{ repeats: 0, holes: 2 }, '2 gaps filled'],
  [{ repeats: 3, holes: 1 }, '3 repeats dropped, 1 gap filled'],
])('what arrived out of line, %j: %s', (deliveries, text) => {
  expect(deliveriesText(deliveries)).toBe(text)
})

test.each(['degraded', 'offline'] as const)(
  '%s: an outbox in memory promises no more than its tab',
  (state) => {
    const kept = noticeText({ ...live, state }, true)
    const tabOnly = noticeText({ ...live, state, storage: 'memory' }, true)
    expect(kept).toMatch(/is kept|none is lost/)
    expect(tabOnly).not.toMatch(/is kept|none is lost/)
    expect(tabOnly).toMatch(/keep it open/)
  },
)

test.each([
  ['token: has expired', 'in: the token has expired. With a token'],
  ['user: the right has ended', 'in: user: the right has ended. With a token'],
])('not let in, %s', (message, text) => {
  const error = new RoomwireError('UNAUTHORIZED', message)
  expect(noticeText({ ...live, state: 'offline', error }, false)).toContain(text)
})
