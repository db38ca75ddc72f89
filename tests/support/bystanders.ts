import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { connectClient } from './client.ts'
import { type Follower, follow } from './follower.ts'
import type { Scope } from './scope.ts'

/** Clients that chat in a room of their own, and one that just listens to nothing in particular. */
export async function startBystanders(testEnd: Scope, url: string) {
  const room = 'bystanders'
  const clients = await Promise.all(
    (['websocket', 'polling', 'websocket', 'websocket'] as const).map((transport) =>
      connectClient(testEnd, url, { transports: [transport], reconnection: false }),
    ),
  )
  const quiet = await connectClient(testEnd, url, { reconnection: false })
  const followers = await Promise.all(clients.map((client) => follow(client, room)))
  let stopped = false
  let sent = 0
  const talk = (async () => {
    let position = followers[0]?.place ?? expect.fail()
    while (!stopped) {
      const client = clients[sent % clients.length] ?? expect.fail()
      const message = { room, id: `b${sent}`, body: { number: sent } }
      position = (await client.ask('room:send', message)).position
      sent += 1
      await sleep(5)
    }
    return position
  })()
  talk.catch(() => undefined) // whoever stops it hears of it

  return {
    /** They noticed nothing: each saw all there was, in order, and nobody was disconnected. */
    async stop(): Promise<number> {
      stopped = true
      const last = await talk
      await Promise.all(followers.map((follower: Follower) => follower.reached(last)))
      for (const { client, resets } of followers) {
        expect(resets).toEqual([])
        expect(client.received('disconnect')).toEqual([])
        expect(client.messages(room).map(({ body }) => body)).toEqual(
          Array.from({ length: sent }, (_, number) => ({ number })),
        )
      }
      const heard = quiet.received('disconnect').length + quiet.messages(room).length
      expect([heard, quiet.socket.connected]).toEqual([0, true]) // D9
      return sent
    },
  }
}
