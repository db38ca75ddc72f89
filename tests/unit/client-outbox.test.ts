import { expect, test } from 'vitest'
import { RoomwireError } from '../../client/errors.ts'
import { createOutbox, type Outbox, type OutboxDeps } from '../../client/outbox.ts'
import { createMemoryStore, type OutboxStore } from '../../client/outbox-store.ts'
import { eventually } from '../support/eventually.ts'

const WINDOW_MS = 600_000

/** A log that answers what it is told to, and keeps the first of each id (D2). */
function createLog() {
  const stored: string[] = []
  const attempts: string[] = []
  const answers: ((id: string) => RoomwireError | 'lost' | undefined)[] = []
  return {
    stored,
    attempts,
    /** The next attempts: an error, `lost` (stored, but nobody hears of it), or undefined. */
    answer: (...next: (RoomwireError | 'lost' | undefined)[]) =>
      answers.push(...next.map((each) => () => each)),
    async transmit(_room: string, id: string) {
      attempts.push(id)
      const answer = answers.shift()?.(id)
      if (answer instanceof RoomwireError) throw answer
      const duplicate = stored.includes(id)
      if (!duplicate) stored.push(id)
      if (answer === 'lost') throw new RoomwireError('TIMEOUT', 'no answer', true)
      return { id, position: { epoch: 'e', offset: stored.indexOf(id) + 1 }, duplicate, at: 1 }
    },
  }
}

interface Given extends Partial<OutboxDeps> {
  online?: boolean
  log?: ReturnType<typeof createLog>
  store?: OutboxStore
}

async function open({
  log = createLog(),
  store = createMemoryStore(),
  online = true,
  ...given
}: Given = {}) {
  const state = { ready: online, now: 1_000_000 }
  const outbox: Outbox = createOutbox({
    transmit: log.transmit,
    ready: () => state.ready,
    limits: () => ({ maxBodyBytes: 1_000, dedupWindowMs: WINDOW_MS }),
    changed: () => undefined,
    storeFailed: () => undefined,
    once: false,
    maxMessages: 100,
    maxBytes: 10_000,
    now: () => state.now,
    ...given,
  })
  await outbox.open('s', store)
  return { outbox, log, store, state }
}

const kinds = (outbox: Outbox) => outbox.outgoing.map(({ id, status }) => `${id} ${status.kind}`)
const overloaded = new RoomwireError('OVERLOADED', 'later', true)

test('messages of a room are stored once, in the order of writing, over failures (D2, D3)', async () => {
  const { outbox, log } = await open()
  log.answer(undefined, overloaded, 'lost', undefined)
  const ids = ['a', 'b', 'c', 'd', 'e']
  const sent = await Promise.all(ids.map((id) => outbox.send('r', id, id)))
  expect(log.stored).toEqual(ids)
  expect(log.attempts).toEqual(['a', 'b', 'b', 'b', 'c', 'd', 'e'])
  expect(sent.map(({ duplicate }) => duplicate)).toEqual([false, true, false, false, false])
})

test('a message that waits survives a reload, behind nothing that was written later', async () => {
  const store = createMemoryStore()
  const before = await open({ store, online: false })
  for (const id of ['a', 'b', 'c']) void before.outbox.send('r', id, id)
  await before.outbox.send('r', 'd', 'd').kept
  before.outbox.close()

  const { outbox, log } = await open({ store })
  await outbox.send('r', 'e', 'e')
  expect(log.stored).toEqual(['a', 'b', 'c', 'd', 'e'])
  await eventually(async () => (await store.load()).length === 0)
})

test('the number of a message continues those that are kept: no reload mixes the order', async () => {
  const store = createMemoryStore()
  for (const id of ['a', 'b', 'c']) {
    const { outbox } = await open({ store, online: false })
    await outbox.send('r', id, id).kept
    outbox.close()
  }
  const { outbox, log } = await open({ store })
  await outbox.send('r', 'd', 'd')
  expect(log.stored).toEqual(['a', 'b', 'c', 'd'])
})

test('an attempt without an answer, older than the dedup window, is uncertain: never resent', async () => {
  const store = createMemoryStore()
  const before = await open({ store })
  before.log.answer('lost')
  void before.outbox.send('r', 'x', 'x')
  await eventually(() => before.log.attempts.length === 1)
  before.outbox.close()

  const log = createLog()
  const { outbox } = await open({ store, log, now: () => 1_000_000 + WINDOW_MS })
  await eventually(() => kinds(outbox).includes('x uncertain'))
  await outbox.send('r', 'y', 'y')
  expect(log.attempts).toEqual(['y'])

  outbox.resend('r', 'x')
  await eventually(() => log.stored.includes('x'))
  expect(await store.load()).toEqual([])
})

test('one that was never sent is not uncertain, however old it is', async () => {
  const store = createMemoryStore()
  const before = await open({ store, online: false })
  await before.outbox.send('r', 'x', 'x').kept
  before.outbox.close()
  const { log } = await open({ store, now: () => 1_000_000 + 10 * WINDOW_MS })
  await eventually(() => log.stored.includes('x'))
})

test('an uncertain one that the log shows is stored; one that is discarded is forgotten', async () => {
  const store = createMemoryStore()
  const before = await open({ store })
  before.log.answer('lost')
  void before.outbox.send('r', 'x', 'x')
  await eventually(() => before.log.attempts.length === 1)
  before.outbox.close()
  const { outbox } = await open({ store, now: () => 0 })
  await eventually(() => kinds(outbox).includes('x uncertain'))
  outbox.seen('r', { id: 'x', position: { epoch: 'e', offset: 1 }, duplicate: false, at: 1 })
  expect(outbox.outgoing).toEqual([])
  await eventually(async () => (await store.load()).length === 0)
})

test('the log alone does not settle what waits for its acknowledgement (D1)', async () => {
  const { outbox, log } = await open()
  log.answer('lost', undefined)
  const sending = outbox.send('r', 'x', 'x')
  await eventually(() => log.attempts.length === 1)
  outbox.seen('r', { id: 'x', position: { epoch: 'e', offset: 1 }, duplicate: false, at: 1 })
  expect(kinds(outbox)).not.toContain('x stored')
  expect(await sending).toMatchObject({ duplicate: true })
  expect(outbox.outgoing).toEqual([])
})

test('what is refused for good is said, and the next one goes on', async () => {
  const { outbox, log } = await open()
  log.answer(new RoomwireError('FORBIDDEN', 'not here'))
  const refused = outbox.send('r', 'x', 'x')
  const stored = outbox.send('r', 'y', 'y')
  await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false })
  await stored
  expect(kinds(outbox)).toEqual(['x refused', 'y stored'])
  outbox.discard('r', 'x')
  expect(kinds(outbox)).toEqual(['y stored'])
})

test('a full outbox refuses, by count and by bytes; so does what cannot be sent (D8)', async () => {
  const { outbox } = await open({ online: false, maxMessages: 2, maxBytes: 500 })
  await expect(outbox.send('r', 'x'.repeat(600))).rejects.toMatchObject({ code: 'OUTBOX_FULL' })
  void outbox.send('r', 1)
  void outbox.send('r', 2)
  await expect(outbox.send('r', 3)).rejects.toMatchObject({ code: 'OUTBOX_FULL', retryable: true })
  await expect(outbox.send('r', undefined)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(outbox.send('r', 1n)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(outbox.send('r', 1, 'i'.repeat(129))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  expect(outbox.outgoing.length).toBe(2)
})

test('a body that the gateway would not take ends no connection', async () => {
  const { outbox, log } = await open()
  await expect(outbox.send('r', 'é'.repeat(500))).rejects.toMatchObject({ code: 'TOO_LARGE' })
  expect(log.attempts).toEqual([])
})

test('the same id again is the same message while it waits, and a repeat afterwards (D2)', async () => {
  const { outbox, log, state } = await open()
  state.ready = false
  const first = outbox.send('r', 'one', 'x')
  expect(outbox.send('r', 'two', 'x')).toBe(first)
  state.ready = true
  outbox.hurry()
  expect(await first).toMatchObject({ duplicate: false })
  expect(await outbox.send('r', 'three', 'x')).toMatchObject({ duplicate: true })
  expect(log.stored).toEqual(['x'])
})

test('without a store to keep it in, what cannot be sent at once is refused', async () => {
  const { outbox, log } = await open({ once: true })
  log.answer(overloaded)
  await expect(outbox.send('r', 'x')).rejects.toMatchObject({ code: 'OVERLOADED' })
  await outbox.send('r', 'y')
})

test('what another user wrote is neither sent nor shown, and stays where it is', async () => {
  const store = createMemoryStore()
  const before = await open({ store, online: false })
  before.outbox.identify('ada', true)
  await before.outbox.send('r', 'x', 'x').kept
  before.outbox.close()

  const { outbox, log, state } = await open({ store, online: false })
  state.ready = true
  outbox.identify('grace', true)
  outbox.hurry()
  await outbox.send('r', 'y', 'y')
  expect(log.stored).toEqual(['y'])
  expect((await store.load()).map(({ id }) => id)).toContain('x')
})

test('a store that fails is given up; sending goes on, and it is said', async () => {
  let failed = 0
  const broken: OutboxStore = {
    load: async () => [],
    write: () => Promise.reject(new Error('quota')),
    close: () => undefined,
  }
  const storeFailed = () => {
    failed += 1
  }
  const { outbox } = await open({ store: broken, storeFailed })
  await outbox.send('r', 'x')
  await outbox.send('r', 'y')
  expect(failed).toBe(1)
})

test('closing rejects what waits, and nothing is left running', async () => {
  const { outbox, store } = await open({ online: false })
  const sending = outbox.send('r', 'x', 'x')
  await sending.kept
  outbox.close()
  await expect(sending).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(outbox.send('r', 'y')).rejects.toMatchObject({ code: 'CLOSED' })
  expect((await store.load()).map(({ id }) => id)).toEqual(['x'])
})

test('what turns out to be another user’s does not wait for ever: its promise rejects', async () => {
  const store = createMemoryStore()
  const { outbox } = await open({ online: false, store })
  outbox.identify('ann', true)
  const sending = outbox.send('r', 'hello')
  await sending.kept
  outbox.identify('bob', true)
  await expect(sending).rejects.toMatchObject({ code: 'CLOSED', retryable: true })
  expect(outbox.outgoing).toEqual([])
  expect(await store.load()).toMatchObject([{ user: 'ann' }])
})

test('what the log shows is stored, not uncertain, when nobody acknowledged it in time', async () => {
  const log = createLog()
  const { outbox, state } = await open({ log })
  log.answer('lost')
  const sending = outbox.send('r', 'hello', 'a')
  await eventually(() => log.attempts.length === 1)
  const position = { epoch: 'e', offset: 1, at: 1 }
  outbox.seen('r', { id: 'a', position, duplicate: false, at: 1 })
  state.now += WINDOW_MS + 60_000
  outbox.hurry()
  expect(await sending).toMatchObject({ id: 'a', position })
  expect(log.attempts).toEqual(['a'])
})
