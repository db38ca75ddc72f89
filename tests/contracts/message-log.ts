import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type {
  Append,
  Entry,
  Labelled,
  MessageLog,
  Tail,
  Verified,
} from '../../server/rooms/message-log.ts'

/** Two instances over one store, and what the test may do to the store behind their backs. */
export interface LogPair {
  a: MessageLog
  b: MessageLog
  /** Trims the room's log so that only entries above an offset remain. */
  trimTo(room: string, offset: number): Promise<void>
  /** Forgets the room: no meta, no log. */
  forget(room: string): Promise<void>
}

interface Heard {
  stored: { room: string; epoch: string; entry: Entry }[]
  labelled: { room: string; epoch: string; labelled: Labelled }[]
  renewed: { room: string; tail: Tail }[]
  /** Resolves when this many stored frames were heard. */
  frames(count: number): Promise<void>
}

function listenTo(log: MessageLog): Heard {
  const waiting: { count: number; done: () => void }[] = []
  const heard: Heard = {
    stored: [],
    labelled: [],
    renewed: [],
    frames: (count) =>
      new Promise((done) => {
        waiting.push({ count, done })
        check()
      }),
  }
  function check(): void {
    for (const { count, done } of waiting) if (heard.stored.length >= count) done()
  }
  log.listen({
    stored(room, epoch, entry) {
      heard.stored.push({ room, epoch, entry })
      check()
    },
    labelled: (room, epoch, labelled) => void heard.labelled.push({ room, epoch, labelled }),
    renewed: (room, tail) => void heard.renewed.push({ room, tail }),
    restored: () => undefined,
  })
  return heard
}

function message(room: string, id: string, sender = 's:alice', body: unknown = id): Append {
  return { room, sender, id, content: JSON.stringify({ id, from: { id: sender }, body }) }
}

/** What every message log must do; run against each implementation. */
function verified([first]: PromiseSettledResult<Verified>[]): string {
  return first?.status === 'fulfilled' ? first.value.continuity : expect.fail()
}

export function describeMessageLog(
  name: string,
  setUp: (retention?: { dedupWindowMs?: number; contentWindowMs?: number }) => Promise<LogPair>,
): void {
  describe(`message log: ${name}`, () => {
    const fresh = () => `room {${randomUUID()}} 100%`

    it('D3 gives offsets 1, 2, 3 … across instances, linked entry by entry', async () => {
      const { a, b } = await setUp()
      const room = fresh()
      const sent = []
      for (let i = 0; i < 20; i++) sent.push((i % 2 === 0 ? a : b).append(message(room, `m${i}`)))
      const offsets = (await Promise.all(sent)).map((reply) => reply.position.offset)
      expect(offsets.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
      const { entries, tail } = await b.read(room, { kind: 'last', limit: 100 })
      expect(entries.map((entry) => entry.offset)).toEqual(offsets.toSorted((x, y) => x - y))
      expect(entries[0]?.prevAt).toBe(0)
      for (let i = 1; i < entries.length; i++) expect(entries[i]?.prevAt).toBe(entries[i - 1]?.at)
      expect(tail).toMatchObject({ offset: 20, at: entries.at(-1)?.at })
    })

    it('D2 stores one of many with the same id, the first body, through both instances', async () => {
      const { a, b } = await setUp()
      const room = fresh()
      const replies = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          (i % 2 ? a : b).append(message(room, 'same', 's:alice', i)),
        ),
      )
      expect(replies.filter((reply) => !reply.duplicate)).toHaveLength(1)
      expect(new Set(replies.map((reply) => JSON.stringify(reply.position))).size).toBe(1)
      const other = await a.append(message(room, 'same', 's:bob'))
      expect(other).toMatchObject({ duplicate: false, position: { offset: 2 } })
      const confusable = await Promise.all([
        a.append(message(room, 'c', 'a:b')),
        a.append(message(room, 'b:c', 'a')),
      ])
      expect(confusable.map((reply) => reply.duplicate)).toEqual([false, false])
    })

    it('D3 keeps the order of what is asked for at once, in several rooms and with repeats', async () => {
      const { a, b } = await setUp()
      const heard = listenTo(b)
      const rooms = [fresh(), fresh()]
      await Promise.all(rooms.map((room) => b.subscribe(room)))
      const first = await a.append(message(rooms[0] ?? '', 'm0'))
      const sent = []
      // Every seventh is the one before once more.
      for (let i = 0; i < 210; i++) {
        const id = `m${i % 7 === 6 ? i - 1 : i}`
        for (const room of rooms) sent.push(a.append(message(room, id)))
      }
      const replies = await Promise.all(sent)
      const repeat = { position: first.position, duplicate: true, repeat: 'retry' }
      expect(replies[0]).toEqual(repeat)
      await heard.frames(360)
      for (const [index, room] of rooms.entries()) {
        const own = replies.filter((_, i) => i % 2 === index)
        expect(own.map(({ position }) => position.offset)).toEqual(
          Array.from({ length: 210 }, (_, i) => i + 1 - Math.floor((i + 1) / 7)),
        )
        const repeats = own.flatMap(({ duplicate }, i) => (duplicate && i > 0 ? [i] : []))
        expect(repeats).toEqual(Array.from({ length: 30 }, (_, i) => i * 7 + 6))
        const { entries } = await a.read(room, { kind: 'last', limit: 500 })
        const frames = heard.stored.filter((frame) => frame.room === room)
        expect(frames.map(({ entry }) => entry)).toEqual(entries)
        for (const { epoch } of frames) expect(epoch).toBe(own[0]?.position.epoch)
        for (let i = 1; i < entries.length; i++) expect(entries[i]?.prevAt).toBe(entries[i - 1]?.at)
      }
    })

    it('D2 forgets ids after the window', async () => {
      const { a } = await setUp({ dedupWindowMs: 50 })
      const room = fresh()
      const first = await a.append(message(room, 'x'))
      let again = first
      while (again.position.offset === 1) again = await a.append(message(room, 'x'))
      expect(again).toMatchObject({ duplicate: false, position: { offset: 2 } })
    })

    it('D2 says whether a repeat came to the instance that stored the first', async () => {
      const { a, b } = await setUp()
      const room = fresh()
      expect(await a.append(message(room, 'x'))).not.toHaveProperty('repeat')
      expect(await a.append(message(room, 'x'))).toMatchObject({ repeat: 'retry' })
      expect(await b.append(message(room, 'x'))).toMatchObject({ repeat: 'cross_instance' })
      const [, again] = await Promise.all(['y', 'y'].map((id) => b.append(message(room, id))))
      expect(again).toMatchObject({ duplicate: true, repeat: 'retry' })
    })

    it('D2 within the content window a sender says the same once, through both instances', async () => {
      const { a, b } = await setUp({ contentWindowMs: 400 })
      const room = fresh()
      const said = (id: string, digest?: string, sender = 's:alice') => ({
        ...message(room, id, sender),
        digest,
      })
      const [first, ...others] = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? b : a).append(said(`${i}`, 'same'))),
      )
      const stored = [first, ...others].filter((reply) => !reply?.duplicate)
      expect(stored).toHaveLength(1)
      const { position } = stored[0] ?? expect.fail()
      for (const reply of others) expect(reply.position).toEqual(position)
      const again = await b.append(said('again', 'same'))
      expect(again).toEqual({ position, duplicate: true, repeat: 'content' })
      for (const other of [said('c', 'other'), said('d', 'same', 's:bob'), said('e'), said('f')]) {
        expect(await a.append(other)).toMatchObject({ duplicate: false })
      }
      // What was acknowledged under an id stays so, also after the window.
      let later = again
      for (let i = 0; later.duplicate; i++) later = await a.append(said(`later ${i}`, 'same'))
      expect(later.position.offset).toBe(6)
      const retry = await a.append(said('again', 'same'))
      expect(retry).toMatchObject({ position, duplicate: true })
      const { entries } = await b.read(room, { kind: 'last', limit: 50 })
      expect(entries).toHaveLength(6)
    })

    it('gives labels to a stored message, and tells those who have subscribed', async () => {
      const { a, b } = await setUp()
      const heard = listenTo(b)
      const room = fresh()
      await b.subscribe(room)
      const [one, two] = await Promise.all(['1', '2', '3'].map((id) => a.append(message(room, id))))
      if (one === undefined || two === undefined) return expect.fail()
      const labels = '{"language":"en","tags":["ä","}"]}'
      const { offset, at, epoch } = two.position
      expect(await a.label(room, { offset, at, labels })).toBe(true)
      await expect
        .poll(() => heard.labelled)
        .toEqual([{ room, epoch, labelled: { offset, at, labels } }])
      expect(heard.stored).toHaveLength(3)
      const page = await b.read(room, { kind: 'last', limit: 10 })
      expect(page.entries.map((entry) => entry.labels)).toEqual([undefined, labels, undefined])
      expect(await b.labels(room, 1, 3)).toEqual([{ offset, at, labels }])
      expect(await b.labels(room, 3, 3)).toEqual([])
      const from = one.position
      const after = await b.read(room, { kind: 'resume', from, limit: 10, orLast: 0 })
      expect(after.entries.map((entry) => entry.labels)).toEqual([labels, undefined])
      // In place of those it had.
      expect(await b.label(room, { offset, at, labels: '{}' })).toBe(true)
      expect(await a.labels(room, 1, 3)).toEqual([{ offset, at, labels: '{}' }])
    })

    it('gives no labels to what is not the message that was meant', async () => {
      const { a, b, trimTo, forget } = await setUp()
      const room = fresh()
      const { position } = await a.append(message(room, 'one'))
      const { offset, at } = position
      const labels = '{}'
      expect(await b.label(room, { offset, at: at - 1, labels })).toBe(false)
      expect(await b.label(room, { offset: offset + 1, at, labels })).toBe(false)
      expect(await b.label(fresh(), { offset, at, labels })).toBe(false)
      expect(await b.label(room, { offset, at, labels })).toBe(true)
      const last = await a.append(message(room, 'two'))
      await trimTo(room, 1)
      expect(await b.label(room, { offset, at, labels })).toBe(false)
      // They go with the message.
      expect(await b.label(room, { ...last.position, labels })).toBe(true)
      expect(await b.labels(room, 0, 9)).toMatchObject([{ offset: 2 }])
      await forget(room)
      expect(await b.label(room, { ...last.position, labels })).toBe(false)
      await a.append(message(room, 'one'))
      await a.append(message(room, 'two'))
      const { entries } = await a.read(room, { kind: 'last', limit: 9 })
      expect(entries.map((entry) => entry.labels)).toEqual([undefined, undefined])
    })

    it('publishes to subscribers only, in order, to both instances', async () => {
      const { a, b } = await setUp()
      const [heardA, heardB] = [listenTo(a), listenTo(b)]
      const room = fresh()
      await a.append(message(room, 'before'))
      await Promise.all([a.subscribe(room), b.subscribe(room)])
      await a.append(message(room, 'one', 's:alice', { text: 'ä € 😀 \u2028 "' }))
      await b.append(message(room, 'two'))
      await Promise.all([heardA.frames(2), heardB.frames(2)])
      for (const heard of [heardA, heardB]) {
        expect(heard.stored.map(({ entry }) => entry.offset)).toEqual([2, 3])
        expect(JSON.parse(heard.stored[0]?.entry.content ?? '')).toMatchObject({
          id: 'one',
          body: { text: 'ä € 😀 \u2028 "' },
        })
      }
      const { entries } = await a.read(room, { kind: 'last', limit: 2 })
      expect(heardB.stored.map(({ entry }) => entry)).toEqual(entries)
      await b.unsubscribe(room)
      await a.append(message(room, 'three'))
      await heardA.frames(3)
      expect(heardB.stored).toHaveLength(2)
    })

    it('reads the newest, those before, and pages after a place', async () => {
      const { a } = await setUp()
      const room = fresh()
      const positions: Tail[] = []
      for (let i = 1; i <= 10; i++) positions.push((await a.append(message(room, `${i}`))).position)
      const offsets = async (query: Parameters<MessageLog['read']>[1]) =>
        (await a.read(room, query)).entries.map((entry) => entry.offset)
      expect(await offsets({ kind: 'last', limit: 3 })).toEqual([8, 9, 10])
      expect(await offsets({ kind: 'last', limit: 0 })).toEqual([])
      expect(await offsets({ kind: 'before', offset: 4, limit: 2 })).toEqual([2, 3])
      expect(await offsets({ kind: 'before', offset: 1, limit: 2 })).toEqual([])
      const from = positions[3] ?? expect.fail()
      expect(await offsets({ kind: 'after', from, limit: 2 })).toEqual([5, 6])
      expect(await offsets({ kind: 'resume', from, limit: 100, orLast: 1 })).toEqual([
        5, 6, 7, 8, 9, 10,
      ])
      const tooMany = await a.read(room, { kind: 'resume', from, limit: 5, orLast: 2 })
      expect(tooMany).toMatchObject({ continuity: 'trimmed', tail: { offset: 10 } })
      expect(tooMany.entries.map((entry) => entry.offset)).toEqual([9, 10])
    })

    it('D8 bounds pages in bytes, and a resume that does not fit is not whole', async () => {
      const { a } = await setUp()
      const room = fresh()
      const start = (await a.read(room, { kind: 'last', limit: 0 })).tail
      for (let i = 0; i < 5; i++) {
        await a.append(message(room, `${i}`, 's:alice', 'x'.repeat(300_000)))
      }
      const newest = await a.read(room, { kind: 'last', limit: 50 })
      expect(newest.entries.map((entry) => entry.offset)).toEqual([3, 4, 5])
      const oldest = await a.read(room, { kind: 'after', from: start, limit: 50 })
      expect(oldest.entries.map((entry) => entry.offset)).toEqual([1, 2, 3])
      const resume = await a.read(room, { kind: 'resume', from: start, limit: 50, orLast: 1 })
      expect(resume.continuity).toBe('trimmed')
      expect(resume.entries.map((entry) => entry.offset)).toEqual([5])
    })

    it('D6 tells whole, trimmed, broken and foreign apart', async () => {
      const { a, trimTo } = await setUp()
      const room = fresh()
      const empty = (await a.read(room, { kind: 'last', limit: 0 })).tail
      expect(empty).toMatchObject({ offset: 0, at: 0 })
      const positions: Tail[] = []
      for (let i = 1; i <= 300; i++)
        positions.push((await a.append(message(room, `${i}`))).position)
      const [tenth, last] = [positions[9], positions[299]]
      if (tenth === undefined || last === undefined) return expect.fail()
      const continuity = async (position: Tail) => verified(await a.verify([{ room, position }]))
      expect(await continuity(empty)).toBe('whole')
      expect(await continuity(tenth)).toBe('whole')
      expect(await continuity(last)).toBe('whole')
      expect(await continuity({ ...tenth, at: tenth.at - 1 })).toBe('broken')
      expect(await continuity({ ...last, at: last.at + 1 })).toBe('broken')
      expect(await continuity({ ...last, offset: 301 })).toBe('broken')
      expect(await continuity({ ...last, epoch: 'another' })).toBe('foreign')
      await trimTo(room, 200)
      expect(await continuity(tenth)).toBe('trimmed')
      expect(await continuity(empty)).toBe('trimmed')
      expect(await continuity(positions[199] ?? last)).toBe('whole') // by its successor's link
      expect(await continuity(last)).toBe('whole')
    })

    it('D6 renews an epoch once, in sequence, and offsets go on', async () => {
      const { a, b } = await setUp()
      const heard = listenTo(b)
      const room = fresh()
      await b.subscribe(room)
      const { position } = await a.append(message(room, 'one'))
      const renewed = await Promise.all([
        a.renew(room, position.epoch),
        b.renew(room, position.epoch),
      ])
      expect(renewed[0]).toEqual(renewed[1])
      expect(renewed[0]).toMatchObject({ offset: 1, at: position.at })
      expect(renewed[0]?.epoch).not.toBe(position.epoch)
      const next = await a.append(message(room, 'two'))
      expect(next.position).toMatchObject({ epoch: renewed[0]?.epoch, offset: 2 })
      await heard.frames(2)
      expect(heard.renewed).toEqual([{ room, tail: renewed[0] }])
      // D2 holds across the new epoch: the first message is still in the log.
      const again = await b.append(message(room, 'one'))
      expect(again).toMatchObject({ duplicate: true, position: { offset: 1, at: position.at } })
    })

    it('D2 holds for what is trimmed, also across a renewed epoch, and ends with the history', async () => {
      const { a, b, trimTo } = await setUp()
      const room = fresh()
      const { position } = await a.append(message(room, 'one'))
      const renewed = await a.renew(room, position.epoch)
      await a.append(message(room, 'two'))
      await trimTo(room, 1)
      const again = await b.append(message(room, 'one'))
      expect(again).toMatchObject({ duplicate: true, position: { offset: 1, at: position.at } })
      expect(again.position.epoch).toBe(renewed.epoch)
      await a.purge(room)
      const anew = await b.append(message(room, 'one'))
      expect(anew).toMatchObject({ duplicate: false, position: { offset: 1 } })
    })

    it('D6 begins a new epoch when the room was lost, and D2 lets its messages be stored again', async () => {
      const { a, b, forget } = await setUp()
      const room = fresh()
      const { position } = await a.append(message(room, 'one'))
      await forget(room)
      expect(verified(await b.verify([{ room, position }]))).toBe('foreign')
      const again = await b.append(message(room, 'one'))
      expect(again).toMatchObject({ duplicate: false, position: { offset: 1 } })
      expect(again.position.epoch).not.toBe(position.epoch)
    })
  })
}
