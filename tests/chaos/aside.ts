import { eventually } from '../support/eventually.ts'
import { createScope } from '../support/scope.ts'
import type { Stage } from './faults.ts'
import { createRandom } from './random.ts'
import { createRecordingClient } from './recording-client.ts'

/** More than a cut of the log's end can have taken from one room. */
const APPENDED = 250

let asides = 0

/**
 * Appends to every room through a gateway of its own that has members in none of them, so that the rooms
 * grow past every position that was handed out before.
 */
export async function appendAside(stage: Stage): Promise<void> {
  const { system, rooms, record } = stage
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
  })
  scope.defer(() => client.close())
  for (const room of rooms) {
    for (let left = APPENDED; left > 0; left -= 1) client.send(room, 0)
    await eventually(() => client.pending === 0, { what: 'the appends aside', timeoutMs: 20_000 })
  }
}
