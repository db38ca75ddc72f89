import { expect, test } from 'vitest'
import { createAllowances } from '../../server/session/allowance.ts'

function createClock() {
  let time = 1000
  return {
    now: () => time,
    pass(ms: number) {
      time += ms
    },
  }
}

test('so many in a window that begins with the first; what is over the limit counts as well', () => {
  const clock = createClock()
  const allowances = createAllowances(
    {
      LIMIT_CONNECTION_SENDS: { count: 3, perMs: 1000 },
      LIMIT_CONNECTION_BYTES: { count: 10, perMs: 1000 },
    },
    clock.now,
  )
  const mine = allowances.open()
  const other = allowances.open()
  for (let number = 0; number < 3; number += 1) {
    expect(allowances.spend(mine, 'SENDS', 1)).toBeUndefined()
    clock.pass(100)
  }
  expect(allowances.spend(mine, 'SENDS', 1)).toMatchObject({
    until: 2000,
    why: 'more than 3 messages in 1 s of one connection',
  })
  expect(allowances.spend(other, 'SENDS', 1)).toBeUndefined()
  clock.pass(700)
  expect(allowances.spend(mine, 'SENDS', 1)).toBeUndefined()

  expect(allowances.spend(mine, 'BYTES', 8)).toBeUndefined()
  expect(allowances.spend(mine, 'BYTES', 3)).toBeDefined()
  expect(allowances.spend(mine, 'BYTES', 1)).toBeDefined()
  clock.pass(1000)
  expect(allowances.spend(mine, 'BYTES', 11)).toBeDefined()
})

test('what is not limited costs nothing, unless a limit that is shared with others is used up', () => {
  const clock = createClock()
  const allowances = createAllowances({}, clock.now)
  const mine = allowances.open()
  expect(allowances.spend(mine, 'JOINS', 1_000_000)).toBeUndefined()
  expect(mine.windows).toEqual({})
  allowances.close(mine, 'JOINS', 500, 'of one user')
  expect(allowances.spend(mine, 'JOINS', 1)).toMatchObject({ until: 1500, why: 'of one user' })
  clock.pass(500)
  expect(allowances.spend(mine, 'JOINS', 1)).toBeUndefined()
  expect(allowances.refused(mine)).toBe(false)
})

test('refusals have a limit of their own', () => {
  const clock = createClock()
  const allowances = createAllowances({ LIMIT_REFUSALS: { count: 2, perMs: 1000 } }, clock.now)
  const mine = allowances.open()
  expect([1, 2, 3].map(() => allowances.refused(mine))).toEqual([false, false, true])
  clock.pass(1000)
  expect(allowances.refused(mine)).toBe(false)
})
