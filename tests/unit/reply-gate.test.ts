import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReplyGate, type ReplyGateOptions } from '../../server/rooms/reply-gate.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const OPEN: ReplyGateOptions = { width: 1000, bytesPerTurn: 1_000_000, msPerTurn: 10 }

/** Notes in which order askers are let in. */
function createAskers(options: Partial<ReplyGateOptions>) {
  const gate = createReplyGate({ ...OPEN, ...options })
  const entered: string[] = []
  const askers = new Map<string, object>()

  async function ask(name: string): Promise<void> {
    const asker = askers.get(name) ?? {}
    askers.set(name, asker)
    await gate.enter(asker)
    entered.push(name)
  }

  return { gate, entered, ask }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn()
}

test('D8 no more replies are made at once than the gate is wide', async () => {
  const { gate, entered, ask } = createAskers({ width: 3 })
  for (let index = 0; index < 10; index += 1) void ask(`asker ${index}`)
  await turns(5)
  expect(entered).toHaveLength(3)
  gate.leave(0)
  await turns(5)
  expect(entered).toHaveLength(4)
  for (let index = 0; index < 9; index += 1) gate.leave(0)
  await turns(5)
  expect(entered).toHaveLength(10)
})

test('who asks for many waits behind who asks for one', async () => {
  const { gate, entered, ask } = createAskers({ width: 1 })
  for (let index = 0; index < 5; index += 1) void ask('greedy')
  void ask('modest')
  for (let index = 0; index < 6; index += 1) {
    await turns(3)
    gate.leave(0)
  }
  await turns(3)
  expect(entered).toEqual(['greedy', 'greedy', 'modest', 'greedy', 'greedy', 'greedy'])
})

test('D8 a turn makes so many bytes, the next ones the rest', async () => {
  const { gate, ask } = createAskers({ width: 4, bytesPerTurn: 100 })
  const made: number[] = []
  let turn = 0
  const all = Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      await ask(`asker ${index}`)
      made.push(turn)
      gate.leave(60)
    }),
  )
  while (made.length < 10) {
    await nextTurn()
    turn += 1
  }
  await all
  // As many as may be made at once come before anybody has said how much it is; then two are enough.
  for (const each of made) {
    expect(made.filter((other) => other === each).length).toBeLessThanOrEqual(4 + 2)
  }
  expect(new Set(made).size).toBeGreaterThan(2)
})

test('replies that take time are spread over turns', async () => {
  const { gate, ask } = createAskers({ width: 4, msPerTurn: 10 })
  const made: number[] = []
  let turn = 0
  const all = Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      await ask(`asker ${index}`)
      vi.advanceTimersByTime(4)
      made.push(turn)
      gate.leave(1)
    }),
  )
  while (made.length < 40) {
    await nextTurn()
    turn += 1
  }
  await all
  expect(new Set(made).size).toBeGreaterThanOrEqual(5)
})
