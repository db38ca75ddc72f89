import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRoomPatterns } from '../../server/session/room-patterns.ts'

const matches = (pattern: unknown, room: string, user = 'ann') =>
  createRoomPatterns([pattern]).match(room, user)

test.each([
  ['lobby', 'lobby', true],
  ['lobby', 'lobby2', false],
  ['*', 'anything', true],
  ['public:*', 'public:', true],
  ['public:*', 'public', false],
  ['*:read', 'a:read', true],
  ['a*b*c', 'a-b-c', true],
  ['a*b*c', 'acb', false],
  ['ab*ba', 'aba', false],
  ['user:{sub}', 'user:ann', true],
  ['user:{sub}', 'user:{sub}', false],
  ['user:{sub}:*', 'user:ann:notes', true],
  ['{sub}*{sub}', 'annann', true],
  ['{sub}*{sub}', 'ann', false],
  ['', '', false],
  ['x'.repeat(301), 'x'.repeat(301), false],
  [['*'], 'a', false],
  [null, 'null', false],
])('%j and %j: %s', (pattern, room, expected) => {
  expect(matches(pattern, room)).toBe(expected)
})

test('a user’s name is no pattern', () => {
  expect(matches('user:{sub}', 'user:bob', '*')).toBe(false)
  expect(matches('user:{sub}', 'user:*', '*')).toBe(true)
  expect(matches('user:{sub}*', 'user:bob', '{sub}')).toBe(false)
})

test('what a pattern means does not depend on how it is matched', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 })
  const names = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(letters, names, (pattern, room) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
      expect(matches(pattern, room)).toBe(pattern !== '' && expression.test(room))
    }),
  )
})

test('a hostile pattern does not take exponential time: it would not end', () => {
  expect(matches(`${'*a'.repeat(149)}b`, 'a'.repeat(200))).toBe(false)
})
