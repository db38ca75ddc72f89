import { expect, it } from 'vitest'
import { createGathering } from '../../server/edge/gathering.ts'
import { createOutlet } from '../../server/edge/outlet.ts'
import { promotedBy } from '../support/old-generation.ts'

it('keeps the messages of rooms that rest between them out of the old generation', () => {
  const outlet = createOutlet({
    gathering: createGathering(),
    delivered: () => undefined,
    tooSlow: () => undefined,
    limits: { maxBacklogBytes: 1, maxBehindMs: 1 },
    pace: { holdMs: () => 0, flushed: () => undefined },
  })
  const nobody = new Set<never>()
  let offset = 0
  let other: unknown

  function pass(count: number): void {
    for (let index = 0; index < count; index += 1) {
      offset += 1
      const room = `room-${offset % 1000}`
      const content = `{"id":"${offset}","body":"${'.'.repeat(200)}${offset}"}`
      outlet.message(room, nobody, 'epoch', { offset, at: 1, prevAt: 1, content })
      outlet.flush(room)
      // What else a message costs: 20 kB, so that the young generation is collected every 800 messages.
      other = new Array(2500).fill(offset)
    }
  }

  pass(5000)
  // With an empty list that waits in each room for its next message these are 58 MB.
  expect(promotedBy(() => pass(100_000))).toBeLessThan(8_000_000)
  expect(other).toBeDefined()
})
