import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Tail } from '../../server/rooms/message-log.ts'
import { createRooms } from '../../server/rooms/rooms.ts'
import { createGatedLog } from '../support/gated-log.ts'
import { createMemoryLogs } from '../support/memory-logs.ts'

/** More than one batch of position checks. */
const ROOMS = 1100
const TICK_MS = 1000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** An instance with a member in many rooms, each of which misses a message that nothing follows. */
async function setUp(options: { verifyEveryMs: number }) {
  const { store, open } = createMemoryLogs()
  const others = open()
  const inner = open()
  const log = createGatedLog(inner)
  const heard: { room: string; at: number }[] = []
  const failed: string[] = []
  const rooms = createRooms({
    log,
    outlet: {
      flush: () => undefined,
      message: (room) => void heard.push({ room, at: performance.now() }),
      labels: () => undefined,
      reset: () => undefined,
    },
    observer: {
      filled: () => undefined,
      reset: () => undefined,
      fillFailed: (room) => void failed.push(room),
    },
    options: {
      ringCapacity: 8,
      ringBudgetBytes: 1e6,
      resumeMax: 100,
      pageSize: 10,
      lingerMs: 1000,
      verifyEveryMs: options.verifyEveryMs,
    },
  })
  const names = Array.from({ length: ROOMS }, (_, index) => `room ${index}`)
  const send = (room: string, id: string): Promise<{ position: Tail }> =>
    others.append({ room, sender: 's', id, content: id })
  for (const [index, room] of names.entries()) {
    await rooms.join(
      { id: `${index}` },
      { room, limit: 0 },
      () => undefined,
      () => true,
    )
  }
  log.deaf = true
  for (const room of names) await send(room, 'lost')
  log.deaf = false
  const missing = () => ROOMS - new Set(heard.map(({ room }) => room)).size
  const restored = () => {
    // What the Redis link says by itself when its subscriptions hold again.
    for (const { listener } of store.logs) listener?.restored()
  }
  return { rooms, log, heard, failed, missing, restored, send, names }
}

it('D4 verifies every room soon after subscriptions are restored', async () => {
  const { rooms, missing, restored } = await setUp({ verifyEveryMs: 1e9 })
  restored()
  await vi.advanceTimersByTimeAsync(500)
  expect(missing()).toBe(0)
  rooms.stop()
})

it('D4 many interruptions in a row are one check', async () => {
  const { rooms, log, missing, restored } = await setUp({ verifyEveryMs: 1e9 })
  for (let i = 0; i < 10; i += 1) restored()
  await vi.advanceTimersByTimeAsync(500)
  expect(missing()).toBe(0)
  expect(log.calls('verify')).toBe(Math.ceil(ROOMS / 500))
  rooms.stop()
})

it('D4 tries again with those of a check after an interruption that failed', async () => {
  const { rooms, log, missing, restored } = await setUp({ verifyEveryMs: 1e9 })
  restored()
  log.fail('verify', 2)
  await vi.advanceTimersByTimeAsync(500)
  expect(missing()).toBe(1000)
  await vi.advanceTimersByTimeAsync(2 * TICK_MS)
  expect(missing()).toBe(0)
  rooms.stop()
})

it('D4 rooms that cannot be read keep no others from being checked, and are tried again', async () => {
  const { rooms, log, names, missing, failed, restored } = await setUp({ verifyEveryMs: 1e9 })
  const damaged = new Set(names.slice(0, 2))
  const { verify } = log
  log.verify = async (positions, quick) => {
    const results = await verify(positions, quick)
    return results.map((result, index) =>
      damaged.has(positions[index]?.room ?? '')
        ? { status: 'rejected', reason: 'damaged' }
        : result,
    )
  }
  restored()
  await vi.advanceTimersByTimeAsync(500)
  expect(missing()).toBe(2)
  await vi.advanceTimersByTimeAsync(3 * TICK_MS)
  expect(missing()).toBe(2)
  expect(failed).toEqual(names.slice(0, 2))
  damaged.clear()
  await vi.advanceTimersByTimeAsync(TICK_MS + 200)
  expect(missing()).toBe(0)
  rooms.stop()
})

it('D4 a room that could not be brought up to date is tried again, without the others', async () => {
  const { rooms, log, missing, restored } = await setUp({ verifyEveryMs: 1e9 })
  restored()
  log.fail('read', 3)
  await vi.advanceTimersByTimeAsync(500)
  expect(missing()).toBe(3)
  expect(rooms.counts().behind).toBe(3)
  await vi.advanceTimersByTimeAsync(TICK_MS)
  expect(missing()).toBe(0)
  expect(rooms.counts().behind).toBe(0)
  rooms.stop()
})

it('D4 every room has its turn within the idle interval, without any sign', async () => {
  const { rooms, missing } = await setUp({ verifyEveryMs: 10 * TICK_MS })
  await vi.advanceTimersByTimeAsync(11 * TICK_MS)
  expect(missing()).toBe(0)
  rooms.stop()
})

it('D4 rooms that were active last come first', async () => {
  const { rooms, log, names, send, restored } = await setUp({ verifyEveryMs: 1e9 })
  const active = names.slice(-3)
  for (const room of active) {
    await vi.advanceTimersByTimeAsync(5)
    await send(room, 'live') // fills the gap, and is activity
  }
  await vi.advanceTimersByTimeAsync(5)
  const verify = vi.spyOn(log, 'verify')
  restored()
  await vi.advanceTimersByTimeAsync(500)
  const [first] = verify.mock.calls[0] ?? expect.fail()
  expect(first.slice(0, 3).map(({ room }) => room)).toEqual(active.toReversed())
  rooms.stop()
})

it('a frame that is still under way is not fetched', async () => {
  const { rooms, log, heard, send, names, restored } = await setUp({ verifyEveryMs: 1e9 })
  restored()
  await vi.advanceTimersByTimeAsync(500)
  const reads = log.calls('read')
  const [room = expect.fail()] = names
  log.late = true
  await send(room, 'late')
  const verified = rooms.verifyAll()
  await vi.advanceTimersByTimeAsync(50)
  await verified
  log.lateFrames()
  await vi.advanceTimersByTimeAsync(500)
  expect(log.calls('read')).toBe(reads)
  expect(heard.at(-1)?.room).toBe(room)
  rooms.stop()
})

it('stops', async () => {
  const { rooms, log, restored } = await setUp({ verifyEveryMs: TICK_MS })
  rooms.stop()
  restored()
  await vi.advanceTimersByTimeAsync(10 * TICK_MS)
  expect(log.calls('verify')).toBe(0)
})
