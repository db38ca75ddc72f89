import { expectTypeOf, test } from 'vitest'
import type { Client, Outgoing, Room, Sending, Sent, Status } from '../../client/connect.ts'
import { type connect, RoomwireError } from '../../client/connect.ts'
import type { RoomMessage, Sender } from '../../server/protocol.ts'

test('the public types: clients and rooms', () => {
  expectTypeOf<typeof connect>().returns.toEqualTypeOf<Client>()
  expectTypeOf<typeof connect>().parameter(0).toEqualTypeOf<string>()
  expectTypeOf<Client['status']>().toEqualTypeOf<Status>()
  expectTypeOf<Status['state']>().toEqualTypeOf<
    'connecting' | 'live' | 'degraded' | 'resuming' | 'offline'
  >()
  expectTypeOf<Client['room']>().returns.toEqualTypeOf<Room>()
  expectTypeOf<Room>().toExtend<AsyncIterable<RoomMessage>>()
  expectTypeOf<Room['messages']>().toEqualTypeOf<readonly RoomMessage[]>()
  expectTypeOf<Room['history']>().returns.resolves.toEqualTypeOf<readonly RoomMessage[]>()
})

test('the public types: sending', () => {
  expectTypeOf<Room['send']>().returns.toEqualTypeOf<Sending>()
  expectTypeOf<Sending>().resolves.toEqualTypeOf<Sent>()
  expectTypeOf<Outgoing['status']['kind']>().toEqualTypeOf<
    'queued' | 'sending' | 'uncertain' | 'stored' | 'refused'
  >()
  expectTypeOf<
    Extract<Outgoing['status'], { kind: 'refused' }>['error']
  >().toEqualTypeOf<RoomwireError>()
  expectTypeOf<RoomwireError>().toExtend<Error>()
  expectTypeOf<RoomwireError['retryAfterMs']>().toEqualTypeOf<number | undefined>()
})

test('the public types: listeners know their events', () => {
  const check = (client: Client, room: Room) => {
    room.on('message', (message) => expectTypeOf(message).toEqualTypeOf<RoomMessage>())
    room.on('typing', ({ from }) => expectTypeOf(from).toEqualTypeOf<Sender>())
    client.on('recovered', ({ missed }) => expectTypeOf(missed).toEqualTypeOf<number | undefined>())
    expectTypeOf(client.on('state', () => undefined)).toEqualTypeOf<() => void>()
    // @ts-expect-error no such event
    room.on('nothing', () => undefined)
    // @ts-expect-error lists are read only
    room.messages.push()
    // @ts-expect-error no such storage
    const wrong: Parameters<typeof connect>[1] = { storage: 'cookies' }
    return wrong
  }
  expectTypeOf(check).toBeFunction()
  expectTypeOf(new RoomwireError('A', 'b').code).toEqualTypeOf<string>()
})
