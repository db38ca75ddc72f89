import { eventually } from '../support/eventually.ts'
import { createScope } from '../support/scope.ts'
import type { Fact } from './history.ts'
import { createRandom } from './random.ts'
import { createRecordingClient } from './recording-client.ts'
import type { System } from './system.ts'

let asides = 0

/**
 * Appends so many messages to each room through a gateway of its own, which has members in none of them
 * and cannot know that something is missing.
 */
export async function appendAside(
  system: System,
  rooms: readonly string[],
  counts: readonly number[],
  record: (fact: Fact) => void,
): Promise<void> {
  await using scope = createScope()
  asides += 1
  const client = createRecordingClient({
    id: `aside${asides}`,
    url: await system.startAside(scope),
    rooms: [],
    transports: ['websocket'],
    random: createRandom(asides),
    record,
    dialect: 'roomwire',
    twice: 0,
  })
  scope.defer(() => client.close())
  for (const [index, room] of rooms.entries()) {
    for (let left = counts[index] ?? 0; left > 0; left -= 1) {
      await eventually(() => client.send(room, 0), { what: 'room for an append aside' })
    }
  }
  await eventually(() => client.pending === 0, { what: 'the appends aside', timeoutMs: 20_000 })
}
