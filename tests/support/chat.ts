import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Client } from './client.ts'
import { eventually } from './eventually.ts'

export interface ChatOptions {
  room: string
  seconds: number
  /** Of all clients together. */
  messagesPerSecond?: number
}

/**
 * Lets clients that joined the same room talk in turn for a while; every message has to be accepted
 * and to reach everyone, once and in the same order without holes (D3). Returns how many were sent.
 */
export async function chat(clients: readonly Client[], options: ChatOptions): Promise<number> {
  const { room, seconds, messagesPerSecond = 50 } = options
  const end = Date.now() + seconds * 1000
  const offsets: number[] = []
  while (Date.now() < end) {
    const client = clients[offsets.length % clients.length]
    if (client === undefined) throw new Error('a chat needs clients')
    const id = `chat-${offsets.length}`
    const reply = await client.ask('room:send', { room, id, body: `message ${id}` })
    offsets.push(reply.position.offset)
    await sleep(1000 / messagesPerSecond)
  }
  expect(offsets).toEqual(offsets.map((_, index) => Number(offsets[0]) + index))
  for (const client of clients) {
    const heard = () => client.messages(room).map(({ offset }) => offset)
    await eventually(() => heard().includes(Number(offsets.at(-1))), { what: 'the last message' })
    expect(heard().filter((offset) => offset >= Number(offsets[0]))).toEqual(offsets)
  }
  return offsets.length
}
