import { describe, expect, test } from 'vitest'
import { createPace } from '../../server/edge/pace.ts'

interface Load {
  /** Messages per second, evenly spaced. */
  rate: number
  members: number
  /** What one write costs, ms. */
  writeMs: number
}

/** Writes messages as the outlet does, by a clock of its own, for two seconds. */
function run({ rate, members, writeMs }: Load) {
  let now = 0
  const pace = createPace(() => now)
  const waits: number[] = []
  let busy = 0
  for (let sent = 0; now < 2000; ) {
    const first = (sent * 1000) / rate
    now = Math.max(now, first)
    now += pace.holdMs()
    const count = Math.floor((now * rate) / 1000) + 1 - sent
    waits.push(now - first)
    sent += count
    const begin = now
    now += members * writeMs
    busy += now - begin
    pace.flushed(begin, now, members, members * count)
  }
  return { busyShare: busy / now, longestWait: Math.max(...waits.slice(50)) }
}

describe('how long room messages wait for others', () => {
  test('not at all while writing them one by one is no burden', () => {
    for (const load of [
      { rate: 100, members: 400, writeMs: 0.01 },
      { rate: 1000, members: 40, writeMs: 0.01 },
      { rate: 1, members: 20_000, writeMs: 0.01 },
    ]) {
      expect(run(load).longestWait).toBeLessThan(0.001)
    }
  })

  test('long enough that an instance which would be busy is not, and never long', () => {
    for (const rate of [400, 800, 4000]) {
      const { busyShare, longestWait } = run({ rate, members: 500, writeMs: 0.01 })
      expect(busyShare).toBeLessThan(0.2)
      expect(longestWait).toBeLessThanOrEqual(45.001)
    }
  })

  test('not after a pause: the first message goes out at once', () => {
    let now = 0
    const pace = createPace(() => now)
    for (let flush = 0; flush < 100; flush += 1) {
      now += 5
      pace.flushed(now - 5, now, 500, 5000)
    }
    expect(pace.holdMs()).toBeGreaterThan(20)
    now += 100
    expect(pace.holdMs()).toBe(0)
    pace.flushed(now, now + 5, 500, 500)
    now += 1000
    pace.flushed(now, now + 5, 500, 500)
    now += 5
    expect(pace.holdMs()).toBe(0)
  })
})
