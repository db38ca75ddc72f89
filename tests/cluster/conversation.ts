import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type Follower, follow } from '../support/follower.ts'
import { type InProcessGateway, startInProcess } from '../support/in-process.ts'
import type { Scope } from '../support/scope.ts'
import { startWriter, type Writer } from '../support/writer.ts'

/** Two gateways over one Redis, and in each room somebody who writes and somebody who follows. */
export interface Conversation {
  readonly gateways: readonly [InProcessGateway, InProcessGateway]
  readonly followers: readonly Follower[]
  /** Resolves when so many more messages were acknowledged in each room. */
  goesOn(count: number): Promise<void>
  /**
   * Ends the writing; resolves when every follower is at the end of its room, having seen everything
   * once and in order (D3, D4).
   */
  ends(): Promise<void>
}

/** Writers are on one gateway, followers on the other. */
export async function startConversation(
  scope: Scope,
  env: Readonly<Record<string, string>>,
  rooms: readonly string[],
): Promise<Conversation> {
  const gateways = [
    await startInProcess(scope, { ...env, INSTANCE_ID: 'one' }),
    await startInProcess(scope, { ...env, INSTANCE_ID: 'two' }),
  ] as const
  const talks: { room: string; follower: Follower; writer: Writer }[] = []
  for (const [index, room] of rooms.entries()) {
    const [here, there] = index % 2 === 0 ? gateways : [gateways[1], gateways[0]]
    const follower = await follow(await connectClient(scope, there.url), room)
    const author = await connectClient(scope, here.url, { session: `author of ${room}` })
    talks.push({ room, follower, writer: startWriter([author], room, 3) })
  }
  return {
    gateways,
    followers: talks.map(({ follower }) => follower),
    async goesOn(count) {
      await Promise.all(talks.map(({ writer }) => writer.acknowledged(count)))
    },
    async ends() {
      for (const { writer, follower, room } of talks) {
        const last = await writer.stop()
        const there = () => follower.place.offset >= last || follower.problems.length > 0
        await eventually(there, { what: `the end of ${room}`, timeoutMs: 20_000 })
        if (follower.problems.length > 0) throw new Error(follower.problems.join('\n'))
      }
    },
  }
}
