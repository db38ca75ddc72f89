import { expect, test } from 'vitest'
import { rarely } from '../../server/observability/rarely.ts'

test('what repeats is one line, and the next says how often it was not said', () => {
  let now = 0
  const said: unknown[] = []
  const warn = rarely(
    (unsaid, what: string) => void said.push([unsaid, what]),
    1000,
    () => now,
  )
  for (const what of ['a', 'b', 'c']) warn(what)
  expect(said).toEqual([[0, 'a']])
  now = 999
  warn('d')
  now = 1000
  warn('e')
  expect(said).toEqual([
    [0, 'a'],
    [3, 'e'],
  ])
  now = 5000
  warn('f')
  expect(said.at(-1)).toEqual([0, 'f'])
})
