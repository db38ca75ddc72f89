import type { Client } from './client.ts'
import { sendStored } from './send-stored.ts'

/** Clients that keep sending to a room. */
export interface Writer {
  /** Resolves when this many more messages were acknowledged. */
  acknowledged(count: number): Promise<void>
  /** Ends it; resolves with the room's last offset once everything is acknowledged. */
  stop(): Promise<number>
}

/** Each client has `inFlight` sends under way at any time. */
export function startWriter(clients: readonly Client[], room: string, inFlight = 4): Writer {
  const waiting: { at: number; resolve: () => void }[] = []
  let stopped = false
  let count = 0
  let last = 0

  async function write(client: Client, lane: string): Promise<void> {
    for (let index = 0; !stopped; index += 1) {
      const { position } = await sendStored(client, { room, id: `${lane}-${index}`, body: index })
      last = Math.max(last, position.offset)
      count += 1
      for (const { at, resolve } of waiting) if (count >= at) resolve()
    }
  }

  const lanes = clients.flatMap((client, index) =>
    Array.from({ length: inFlight }, (_, lane) => write(client, `w${index}-${lane}`)),
  )
  const ended = Promise.all(lanes)
  ended.catch(() => undefined) // whoever waits for `stop` hears of it
  return {
    acknowledged: (more) =>
      Promise.race([
        new Promise<void>((resolve) => waiting.push({ at: count + more, resolve })),
        ended.then(() => undefined),
      ]),
    async stop() {
      stopped = true
      await ended
      return last
    },
  }
}

/** Sends `count` messages, all at once; resolves with the room's last offset. */
export async function sendMany(
  clients: readonly [Client, ...Client[]],
  room: string,
  count: number,
  prefix: string,
): Promise<number> {
  const replies = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      sendStored(clients[index % clients.length] ?? clients[0], {
        room,
        id: `${prefix}-${index}`,
        body: `${prefix} ${index}`,
      }),
    ),
  )
  return Math.max(...replies.map(({ position }) => position.offset))
}
