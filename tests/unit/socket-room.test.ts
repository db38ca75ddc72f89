import fc from 'fast-check'
import { expect, it } from 'vitest'
import { socketRoom } from '../../server/edge/handlers.ts'

/** What Socket.IO calls a connection, and the room that it is alone in. */
const connectionId = fc.stringMatching(/^[\w-]{20}$/)

it('is never the room of a connection', () => {
  fc.assert(
    fc.property(connectionId, (id) => {
      expect(socketRoom(id)).not.toBe(id)
      expect(socketRoom(id)).not.toMatch(/^[\w-]{20}$/)
    }),
  )
})

it('is the room itself where it can be, so that emitters need not know of it', () => {
  for (const room of ['lobby', 'a b', '{x}', 'x'.repeat(19), 'x'.repeat(21), 'room:lobby', '']) {
    expect(socketRoom(room)).toBe(room)
  }
})

it('is different for different rooms', () => {
  const prefixed = fc
    .tuple(fc.nat(3), fc.oneof(connectionId, fc.string()))
    .map(([times, name]) => 'room:'.repeat(times) + name)
  fc.assert(
    fc.property(connectionId, prefixed, (id, other) => {
      for (const room of [id, `room:${id}`, `room:room:${id}`]) {
        expect(socketRoom(room) === socketRoom(other)).toBe(room === other)
      }
    }),
  )
  const id = 'x'.repeat(20)
  const names = [id, `room:${id}`, `room:room:${id}`].map(socketRoom)
  expect(new Set(names).size).toBe(3)
})
