import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Position, RoomMessage } from '../../server/protocol.ts'
import type { Accepted, Client, Reply } from './client.ts'

interface JoinRequest {
  room: string
  since?: Position
  limit?: number
}

/** A join, and what its client had received when the acknowledgement came. */
export interface Joined {
  reply: Accepted<'room:join'>
  /** Messages of the room that arrived before the acknowledgement. */
  before: readonly RoomMessage[]
  /** Messages of the room that arrived after it, so far. */
  after(): readonly RoomMessage[]
}

/** Joins; asks again where a busy machine made the gateway doubt its Redis for a moment (D7). */
export async function join(client: Client, request: JoinRequest): Promise<Joined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await joinOnce(client, request)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('UNAVAILABLE')) throw error
      if (attempt === 5) throw error
      await sleep(500)
    }
  }
}

function joinOnce(client: Client, request: JoinRequest): Promise<Joined> {
  return new Promise((resolve, reject) => {
    // In the callback itself: a promise would resume later, when more may have arrived.
    client.socket
      .timeout(20_000)
      .emit('room:join', request, (error: Error | null, reply: Reply<'room:join'>) => {
        if (error !== null) return reject(error)
        if (!reply.ok)
          return reject(new Error(`room:join: ${reply.error.code}: ${reply.error.message}`))
        const before = [...client.messages(request.room)]
        resolve({
          reply,
          before,
          after: () => client.messages(request.room).slice(before.length),
        })
      })
  })
}

/** The position of a client whose last message this was. */
export function positionOf({ epoch, offset, at }: RoomMessage): Position {
  return { epoch, offset, at }
}

/**
 * D5: what a resume brought and what followed live are all messages after `since` up to `last`, each
 * once, each where it belongs, as `truth` (the room from offset 1) has them.
 */
export function expectWhole(
  { reply, before, after }: Joined,
  since: number,
  last: number,
  truth: readonly RoomMessage[],
): void {
  const seam = reply.position.offset
  expect(reply.recovered).toBe(true)
  expect(before.filter(({ offset }) => offset > seam)).toEqual([])
  expect(reply.messages).toEqual(truth.slice(since, seam))
  expect(after()).toEqual(truth.slice(seam, last))
}
