import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryLog } from '../../server/broker/memory.ts'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import type { Outlet } from '../../server/rooms/local-room.ts'
import type { MessageLog, Page } from '../../server/rooms/message-log.ts'
import { createRooms, type JoinAnswer } from '../../server/rooms/rooms.ts'
import {
  type SimulationOptions,
  type SimulationResult,
  simulateRooms,
} from '../support/rooms-simulation.ts'
import type { Trouble } from '../support/troublesome-log.ts'

const FAKED = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
] as const

beforeEach(() => void vi.useFakeTimers({ toFake: [...FAKED] }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const SEEDS = 30
const GOOD: Trouble = {
  refused: 0,
  unanswered: 0,
  lost: 0,
  repeated: 0,
  overtaken: 0,
  delayMs: 3,
}

const BAD: Trouble = {
  refused: 0.05,
  unanswered: 0.05,
  lost: 0.05,
  repeated: 0.1,
  overtaken: 0.1,
  delayMs: 30,
}

/** Schedules that stay, and one that nobody has seen: ROOMS_SEED repeats it. */
const fresh = Number(process.env['ROOMS_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
const seeds = [fresh, ...Array.from({ length: SEEDS }, (_, index) => index + 1)]

async function simulate(
  options: Omit<SimulationOptions, 'seed' | 'steps'>,
): Promise<SimulationResult['counts']> {
  const total: Partial<SimulationResult['counts']> = {}
  for (const seed of seeds) {
    const { problems, counts } = await simulateRooms({ ...options, seed, steps: 350 })
    expect(problems.slice(0, 5), `seed ${seed}`).toEqual([])
    vi.restoreAllMocks()
    for (const [name, count] of Object.entries(counts) as [keyof typeof counts, number][]) {
      total[name] = (total[name] ?? 0) + count
    }
  }
  return total as SimulationResult['counts']
}

describe(`three instances, seeds 1 to ${SEEDS} and ${fresh}`, () => {
  it('D2, D3, D5 on good lines everybody sees everything, once, in order, without checks', async () => {
    const counts = await simulate({ trouble: GOOD, interruptions: false, damage: false })
    expect(counts).toMatchObject({ refused: 0, refusedJoins: 0, resets: 0 })
    expect(counts.acknowledged).toBeGreaterThan(2000)
    expect(counts.delivered).toBeGreaterThan(2000)
    expect(counts.resumes).toBeGreaterThan(500)
  })

  it('D1 to D6 on bad lines nothing is missing, repeated or out of order, and nobody starts over', async () => {
    const counts = await simulate({ trouble: BAD, interruptions: true, damage: false })
    expect(counts).toMatchObject({ resets: 0 })
    expect(counts.delivered).toBeGreaterThan(2000)
    expect(counts.interruptions).toBeGreaterThan(100)
  })

  it.each([
    ['good', GOOD],
    ['bad', BAD],
  ])(
    'D6 over a store that loses what it had, nobody goes on with a history that no longer holds, on %s lines',
    async (_name, trouble) => {
      const counts = await simulate({ trouble, interruptions: true, damage: true })
      expect(counts.resets).toBeGreaterThan(100)
      expect(counts.notRecovered).toBeGreaterThan(20)
      expect(counts.damages).toBeGreaterThan(100)
    },
  )
})

describe('joining', () => {
  /** One instance whose outlet does what the test says, over a store that others write to. */
  function setUp(
    outlet: Partial<Outlet> = {},
    reading: (read: MessageLog['read']) => MessageLog['read'] = (read) => read,
  ) {
    const store = createMemoryStore()
    const open = () =>
      createMemoryLog(
        store,
        { logMax: 1000, logTtlMs: 3_600_000, dedupWindowMs: 600_000 },
        { newEpoch: () => 'epoch' },
      )
    const others = open()
    const own = open()
    const rooms = createRooms({
      log: { ...own, read: reading(own.read) },
      outlet: {
        flush: () => undefined,
        message: () => undefined,
        labels: () => undefined,
        reset: () => undefined,
        ...outlet,
      },
      observer: { filled: () => undefined, reset: () => undefined, fillFailed: () => undefined },
      options: {
        ringCapacity: 8,
        ringBudgetBytes: 1e6,
        resumeMax: 100,
        pageSize: 10,
        lingerMs: 100,
        verifyEveryMs: 1e9,
      },
    })
    const send = (id: string) => others.append({ room: 'room', sender: 's', id, content: id })
    return { rooms, send, log: others }
  }
  const request = { room: 'room', limit: 50 }
  const always = () => true

  it('D5 admits at the very place, wherever between its steps messages come', async () => {
    for (let gap = 0; gap < 40; gap += 1) {
      const live: number[] = []
      const { rooms, send } = setUp({
        message: (_room, { size }, _epoch, { offset }) => void (size > 0 && live.push(offset)),
      })
      const admit = vi.fn<(admission: JoinAnswer) => void>()
      const joining = rooms.join({ id: 'member' }, request, admit, always)
      // Each is delivered within the microtask that stores it.
      for (let sent = 0; sent < 3; sent += 1) {
        for (let pause = 0; pause < gap; pause += 1) await undefined
        await send(`m${sent}`)
      }
      await joining
      await send('last')
      const [{ position, entries }] = admit.mock.calls[0] ?? expect.fail()
      expect(entries.map(({ offset }) => offset)).toEqual([1, 2, 3].slice(0, position.offset))
      expect(live).toEqual([1, 2, 3, 4].slice(position.offset))
    }
  })

  it('D6 does not put together what a former primary had with what the log has now', async () => {
    let stale: Page | undefined
    const { rooms, send, log } = setUp({}, (read) => async (room, query) => {
      // Once, an answer that was on its way while another took over.
      const answer = query.kind === 'resume' ? stale : undefined
      if (answer !== undefined) stale = undefined
      return answer ?? read(room, query)
    })
    const first = (await send('m1')).position
    for (let i = 2; i <= 12; i += 1) await send(`m${i}`)
    await rooms.join({ id: 'here' }, request, () => undefined, always)
    const truth = await log.read('room', { kind: 'resume', from: first, limit: 100, orLast: 50 })
    const entries = truth.entries.slice(0, 9).map((entry) => ({ ...entry, content: 'of before' }))
    stale = { ...truth, entries, tail: { ...truth.tail, offset: 10, at: truth.tail.at + 7 } }
    const admit = vi.fn<(admission: JoinAnswer) => void>()
    await rooms.join({ id: 'back' }, { ...request, since: first }, admit, always)
    expect(stale).toBeUndefined()
    expect(admit.mock.calls[0]?.[0]).toMatchObject({ recovered: true, entries: truth.entries })
  })

  it('does not admit whom flushing has cut off', async () => {
    let there = true
    const { rooms } = setUp({
      flush() {
        there = false
      },
    })
    const admit = vi.fn()
    const member = { id: 'member' }
    await rooms.join(member, request, admit, () => there)
    expect(admit).not.toHaveBeenCalled()
    expect(rooms.has(member, 'room')).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(rooms.counts()).toEqual({ rooms: 0, members: 0, behind: 0 })
  })

  it('leaves nothing behind when the acknowledgement cannot be made', async () => {
    const { rooms } = setUp()
    const member = { id: 'member' }
    const admit = () => {
      throw new Error('not JSON')
    }
    await expect(rooms.join(member, request, admit, always)).rejects.toThrow('not JSON')
    expect(rooms.has(member, 'room')).toBe(false)
    await vi.advanceTimersByTimeAsync(200)
    expect(rooms.counts()).toEqual({ rooms: 0, members: 0, behind: 0 })
  })

  it('counts a membership once, however often one joins, and leaves are idempotent', async () => {
    const { rooms } = setUp()
    const member = { id: 'member' }
    for (let i = 0; i < 3; i += 1) await rooms.join(member, request, () => undefined, always)
    expect(rooms.countOf(member)).toBe(1)
    expect(rooms.counts()).toEqual({ rooms: 1, members: 1, behind: 0 })
    rooms.leave(member, 'room')
    rooms.leave(member, 'room')
    rooms.leaveAll(member)
    expect(rooms.countOf(member)).toBe(0)
    await vi.advanceTimersByTimeAsync(200)
    expect(rooms.counts()).toEqual({ rooms: 0, members: 0, behind: 0 })
  })
})
