import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  handshakeAuth,
  MAX_HISTORY,
  MAX_ID_LENGTH,
  MAX_ROOM_BYTES,
  requests,
} from '../../server/protocol.ts'

const accepts = (name: keyof typeof requests, payload: unknown) =>
  requests[name].safeParse(payload).success

describe('room names', () => {
  const valid = (room: unknown) => accepts('room:leave', { room })

  it.each([
    'r',
    ' ',
    '\0',
    '{a}',
    '%7B',
    '__proto__',
    '😀',
    'a:b/c#d?e',
    'x'.repeat(MAX_ROOM_BYTES),
  ])('%j is one', (room) => expect(valid(room)).toBe(true))

  it.each(['', '\ud800', 'a\udc00b', 'x'.repeat(MAX_ROOM_BYTES + 1), null, 1, ['r'], { r: 1 }])(
    '%j is none',
    (room) => expect(valid(room)).toBe(false),
  )

  it('are measured in bytes of UTF-8', () => {
    const character = fc.constantFrom('a', 'é', '€', '😀', '\ud800')
    const some = fc.array(fc.constantFrom('a', 'é', '€', '😀'), { maxLength: MAX_ROOM_BYTES + 10 })
    const names = fc
      .tuple(some, fc.option(character))
      .map(([start, end]) => start.join('') + (end ?? ''))
    fc.assert(
      fc.property(names, (room) => {
        const bytes = Buffer.byteLength(room)
        expect(valid(room)).toBe(room.isWellFormed() && bytes > 0 && bytes <= MAX_ROOM_BYTES)
      }),
    )
    expect(valid('€'.repeat(Math.floor(MAX_ROOM_BYTES / 3)))).toBe(true)
    expect(valid('€'.repeat(Math.floor(MAX_ROOM_BYTES / 3) + 1))).toBe(false)
  })
})

it('message ids are 1 to 128 characters, well-formed', () => {
  const valid = (id: unknown) => accepts('room:send', { room: 'r', id, body: 0 })
  for (const id of ['1', 'x'.repeat(MAX_ID_LENGTH), '😀'.repeat(MAX_ID_LENGTH / 2), '__proto__']) {
    expect(valid(id)).toBe(true)
  }
  for (const id of ['', 'x'.repeat(MAX_ID_LENGTH + 1), '\udfff', 5, null, undefined]) {
    expect(valid(id)).toBe(false)
  }
})

it('positions are whole numbers that a double can hold, and are echoed as they were given', () => {
  const parse = (since: unknown) => requests['room:join'].safeParse({ room: 'r', since })
  for (const since of [
    { epoch: 'e', offset: 0 },
    { epoch: 'e', offset: Number.MAX_SAFE_INTEGER, at: 0 },
    { epoch: 'x'.repeat(64), offset: 1, at: 1 },
  ]) {
    expect(parse(since).data?.since).toEqual(since)
  }
  for (const since of [
    { epoch: '', offset: 0 },
    { epoch: 'x'.repeat(65), offset: 0 },
    { epoch: 'e', offset: -1 },
    { epoch: 'e', offset: 0.5 },
    { epoch: 'e', offset: 2 ** 53 },
    { epoch: 'e', offset: Number.NaN },
    { epoch: 'e', offset: Number.POSITIVE_INFINITY },
    { epoch: 'e', offset: '1' },
    { epoch: 'e', offset: 1, at: null },
    { offset: 1 },
    null,
  ]) {
    expect(parse(since).success).toBe(false)
  }
})

it('limits have a default and a maximum', () => {
  expect(requests['room:join'].parse({ room: 'r' })).toEqual({ room: 'r', limit: 50 })
  expect(requests['room:history'].parse({ room: 'r' })).toEqual({ room: 'r', limit: 50 })
  expect(accepts('room:join', { room: 'r', limit: 0 })).toBe(true)
  expect(accepts('room:join', { room: 'r', limit: MAX_HISTORY })).toBe(true)
  for (const limit of [-1, 0.5, MAX_HISTORY + 1, '5', null]) {
    expect(accepts('room:join', { room: 'r', limit })).toBe(false)
    expect(accepts('room:history', { room: 'r', limit })).toBe(false)
  }
})

it('unknown fields are ignored, so that newer clients can talk to older gateways', () => {
  expect(requests['room:leave'].parse({ room: 'r', later: true })).toEqual({ room: 'r' })
  expect(requests['gateway:hello'].parse({ client: '2.0' })).toEqual({})
})

it('a handshake may name a session, a name and a token, within limits', () => {
  const valid = (auth: unknown) => handshakeAuth.safeParse(auth).success
  expect(valid({})).toBe(true)
  expect(valid({ session: 'x'.repeat(MAX_ID_LENGTH), name: 'Ann', token: 't', more: 1 })).toBe(true)
  for (const session of ['', 'x'.repeat(MAX_ID_LENGTH + 1), '\ud800', 5, null]) {
    expect(valid({ session })).toBe(false)
  }
  for (const name of ['', 'x'.repeat(65), '\udfff', 5]) expect(valid({ name })).toBe(false)
  expect(valid({ token: 'x'.repeat(16_385) })).toBe(false)
})
