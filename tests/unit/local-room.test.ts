import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryLog, createMemoryStore } from '../../server/broker/memory.ts'
import { createLocalRoom, type LocalRoom, type Member } from '../../server/rooms/local-room.ts'
import type { Entry, Tail } from '../../server/rooms/message-log.ts'
import { createGatedLog } from '../support/gated-log.ts'

const NAME = 'room'
const LINGER_MS = 1000
const RING = 4

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A room over a memory store that others write to, with one member who notes what it is given. */
function setUp() {
  const store = createMemoryStore()
  let epochs = 0
  const open = () =>
    createMemoryLog(
      store,
      { logMax: 1000, logTtlMs: 3_600_000, dedupWindowMs: 600_000 },
      { newEpoch: () => `epoch${++epochs}` },
    )
  const others = open()
  const log = createGatedLog(open())
  const heard: string[] = []
  const note = (what: string) => void heard.push(what)
  const closed = vi.fn()
  const fillFailed = vi.fn()
  const budget = { maxBytes: 1000, usedBytes: 0 }
  const room = createLocalRoom(NAME, {
    log,
    outlet: {
      flush: () => undefined,
      message: (_room, _members, epoch, { offset }) => note(`${epoch}:${offset}`),
      labels: (_room, _members, epoch, { offset, labels }) => note(`${epoch}:${offset} ${labels}`),
      reset: (_room, _members, { epoch, offset }) => note(`reset ${epoch}:${offset}`),
    },
    observer: { filled: () => undefined, reset: () => undefined, fillFailed },
    options: {
      ...{ ringCapacity: RING, resumeMax: 100, pageSize: 2, lingerMs: LINGER_MS },
      labelled: true,
    },
    budget,
    behind: new Set(),
    closed,
  })
  log.listen({
    stored: (_room, epoch, entry) => room.stored(epoch, entry),
    labelled: (_room, epoch, labelled) => room.labelled(epoch, labelled),
    renewed: (_room, { epoch }) => room.renewed(epoch),
    restored: () => room.interrupted(),
  })
  const member: Member = { id: 'member' }
  let sent = 0
  return {
    store,
    log,
    room,
    heard,
    closed,
    fillFailed,
    budget,
    others,
    /** Stores messages through another instance. */
    async send(count: number): Promise<Tail> {
      let position: Tail | undefined
      for (let index = 0; index < count; index += 1) {
        const id = `m${++sent}`
        position = (await others.append({ room: NAME, sender: 's', id, content: id })).position
      }
      return position ?? expect.fail()
    },
    /** Opens it and lets the member in. */
    async enter(): Promise<() => void> {
      const release = room.hold()
      await room.open()
      room.members.add(member)
      return release
    },
    settle: () => vi.advanceTimersByTimeAsync(10),
    subscribed: () => [...store.logs].some((each) => each.subscribed.has(NAME)),
  }
}

describe('what this instance stored', () => {
  const entryAfter = ({ offset, at }: Tail) => ({
    ...{ offset: offset + 1, at: at + 5, prevAt: at, content: '{"id":"own"}' },
  })

  /** More than the ring holds, each after the one before. */
  function appendMany(room: LocalRoom, from: Tail): Entry[] {
    let { offset, at } = from
    return Array.from({ length: 3 * RING }, () => {
      const entry = entryAfter({ ...from, offset, at })
      ;({ offset, at } = entry)
      room.appended(from.epoch, entry)
      return entry
    })
  }

  it('D3 is delivered with its reply or its publication, whichever is first, once', async () => {
    const { room, heard, enter, send } = setUp()
    await enter()
    const tail = await send(2)
    const own = entryAfter(tail)
    room.appended(tail.epoch, own)
    expect(heard.slice(2)).toEqual([`${tail.epoch}:3`])
    room.stored(tail.epoch, own)
    const next = entryAfter({ ...own, epoch: tail.epoch })
    room.stored(tail.epoch, next)
    room.appended(tail.epoch, next)
    expect(heard.slice(2)).toEqual([`${tail.epoch}:3`, `${tail.epoch}:4`])
    expect(room.behind).toBe(false)
  })

  it('D3 waits for its publication where it does not continue what members have', async () => {
    const { room, log, heard, enter, send } = setUp()
    await enter()
    const tail = await send(2)
    const own = entryAfter(tail)
    const reads = log.calls('read')
    room.appended(tail.epoch, { ...own, offset: own.offset + 1 })
    room.appended('another', own)
    room.appended(tail.epoch, { ...own, prevAt: own.prevAt + 1 })
    expect(heard).toHaveLength(2)
    expect([room.behind, log.calls('read')]).toEqual([false, reads])
    room.stored(tail.epoch, own)
    expect(heard.slice(2)).toEqual([`${tail.epoch}:3`])
  })

  it('is known when its publication comes, also where the ring is past it: nothing is read', async () => {
    const { room, log, heard, enter, send } = setUp()
    await enter()
    const tail = await send(1)
    const own = appendMany(room, tail)
    const reads = log.calls('read')
    // One is missing: nobody needs it any more.
    for (const entry of own.slice(1)) room.stored(tail.epoch, entry)
    expect(heard).toEqual(
      Array.from({ length: 1 + own.length }, (_, index) => `${tail.epoch}:${index + 1}`),
    )
    expect([room.behind, log.calls('read')]).toEqual([false, reads])
  })

  it('D6 is not taken for what another history has at its place', async () => {
    const { room, log, enter, send } = setUp()
    await enter()
    const tail = await send(1)
    const [first = expect.fail()] = appendMany(room, tail)
    const reads = log.calls('read')
    room.stored(tail.epoch, { ...first, at: first.at + 1 })
    expect(log.calls('read')).toBe(reads + 1)
  })

  it('goes nowhere while the room is not open', async () => {
    const { room, heard, send } = setUp()
    const tail = await send(1)
    room.appended(tail.epoch, entryAfter(tail))
    expect(heard).toEqual([])
    room.hold()
    await room.open()
    expect(room.replica.tail).toEqual(tail)
  })
})

describe('opening', () => {
  it('concurrent openings share one subscription and one read', async () => {
    const { room, log } = setUp()
    room.hold()
    await Promise.all([room.open(), room.open(), room.open()])
    expect([log.calls('subscribe'), log.calls('read')]).toEqual([1, 1])
    await room.open()
    expect(log.calls('read')).toBe(1)
  })

  it('D4 takes what comes between the read and its reply', async () => {
    const { room, log, send } = setUp()
    await send(2)
    const reply = log.hold('read')
    room.hold()
    const opening = room.open()
    await reply.done
    const tail = await send(RING)
    reply.release()
    await opening
    expect(room.replica.tail).toEqual(tail)
    expect(room.behind).toBe(false)
  })

  it('D4, D8 fetches what is more than it keeps meanwhile', async () => {
    const { room, log, send, settle } = setUp()
    const reply = log.hold('read')
    room.hold()
    const opening = room.open()
    await reply.done
    const tail = await send(3 * RING)
    reply.release()
    await opening
    await settle()
    expect(room.replica.tail).toEqual(tail)
    expect(room.behind).toBe(false)
  })

  it.each([
    ['an epoch ends', 'renew'],
    ['the subscription is interrupted', 'interrupt'],
  ])('D4, D6 reads again when %s between the read and its reply', async (_name, what) => {
    const { room, log, send, settle, others } = setUp()
    const { epoch } = await send(2)
    const reply = log.hold('read')
    room.hold()
    const opening = room.open()
    await reply.done
    if (what === 'renew') await others.renew(NAME, epoch)
    else {
      log.deaf = true
      await send(1)
      log.deaf = false
      room.interrupted()
    }
    reply.release()
    await opening
    await settle()
    const { tail } = await others.read(NAME, { kind: 'last', limit: 0 })
    expect(room.replica.tail).toEqual(tail)
  })

  it.each(['subscribe', 'read'] as const)(
    'can be tried again when %s failed',
    async (operation) => {
      const { room, log, closed, subscribed } = setUp()
      log.fail(operation)
      const release = room.hold()
      const openings = [room.open(), room.open()]
      for (const opening of openings) await expect(opening).rejects.toThrow(`${operation} fails`)
      expect(subscribed()).toBe(false)
      expect(closed).not.toHaveBeenCalled()
      await room.open()
      expect(room.live).toBe(true)
      release()
    },
  )

  it('is over for good when it failed and nobody holds the room', async () => {
    const { room, log, closed } = setUp()
    log.fail('read')
    const release = room.hold()
    await expect(room.open()).rejects.toThrow('read fails')
    release()
    expect(closed).toHaveBeenCalledOnce()
  })
})

describe('closing', () => {
  it('lingers, then unsubscribes and gives back its memory', async () => {
    const { room, send, enter, closed, subscribed, budget } = setUp()
    const release = await enter()
    await send(3)
    expect(budget.usedBytes).toBeGreaterThan(0)
    release()
    await vi.advanceTimersByTimeAsync(LINGER_MS - 1)
    expect(subscribed()).toBe(true)
    expect(closed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(subscribed()).toBe(false)
    expect(closed).toHaveBeenCalledOnce()
    expect(room.live).toBe(false)
    expect(budget.usedBytes).toBe(0)
  })

  it('is called off by whoever comes while it lingers', async () => {
    const { room, send, enter, closed, log } = setUp()
    const release = await enter()
    release()
    await vi.advanceTimersByTimeAsync(LINGER_MS / 2)
    const tail = await send(2)
    await enter()
    await vi.advanceTimersByTimeAsync(2 * LINGER_MS)
    expect(closed).not.toHaveBeenCalled()
    expect(room.replica.tail).toEqual(tail) // it went on listening
    expect(log.calls('read')).toBe(1)
  })

  it('waits for everybody who holds the room', async () => {
    const { room, enter, closed } = setUp()
    const release = await enter()
    const other = room.hold()
    release()
    await vi.advanceTimersByTimeAsync(2 * LINGER_MS)
    expect(closed).not.toHaveBeenCalled()
    other()
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    expect(closed).toHaveBeenCalledOnce()
  })

  it('lets those who come meanwhile open it again, with what they missed', async () => {
    const { room, log, send, enter, closed, subscribed } = setUp()
    const release = await enter()
    const reply = log.hold('unsubscribe')
    release()
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    await reply.done
    const tail = await send(2)
    const entered = [enter(), enter()]
    reply.release()
    await Promise.all(entered)
    expect(closed).not.toHaveBeenCalled()
    expect(subscribed()).toBe(true)
    expect(room.replica.tail).toEqual(tail)
    await send(1)
    expect(room.replica.tail.offset).toBe(3)
  })

  it('ends also where unsubscribing fails', async () => {
    const { log, enter, closed } = setUp()
    const release = await enter()
    log.fail('unsubscribe')
    release()
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    expect(closed).toHaveBeenCalledOnce()
  })

  it('closes by itself when whoever opened it did not stay', async () => {
    const { room, log, closed, subscribed } = setUp()
    const reply = log.hold('read')
    const release = room.hold()
    const opening = room.open()
    await reply.done
    release()
    reply.release()
    await opening
    expect(closed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    expect(closed).toHaveBeenCalledOnce()
    expect(subscribed()).toBe(false)
  })
})

describe('filling', () => {
  it('D4 a gap is filled page by page before what follows is delivered', async () => {
    const { log, send, enter, heard, settle } = setUp()
    await enter()
    log.deaf = true
    await send(7)
    log.deaf = false
    await send(1)
    await settle()
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((offset) => `epoch1:${offset}`))
  })

  it('D4 what comes while it is filled waits, and what is more than the ring is fetched', async () => {
    const { log, send, enter, heard, settle } = setUp()
    await enter()
    log.deaf = true
    await send(1)
    log.deaf = false
    const reply = log.hold('read')
    await send(1)
    await reply.done
    await send(3 * RING)
    reply.release()
    await settle()
    expect(heard).toEqual(Array.from({ length: 14 }, (_, index) => `epoch1:${index + 1}`))
  })

  it('D4 a failed fill leaves the room behind, and the next one brings everything', async () => {
    const { room, log, send, enter, heard, settle, fillFailed } = setUp()
    await enter()
    log.deaf = true
    await send(2)
    log.deaf = false
    log.fail('read')
    await send(1)
    await settle()
    expect(heard).toEqual([])
    expect(room.behind).toBe(true)
    expect(fillFailed).toHaveBeenCalledOnce()
    await room.sync()
    expect(room.behind).toBe(false)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'epoch1:3'])
  })

  it('a sync that is asked for while one is under way reads once more, for all who asked', async () => {
    const { room, log, send, enter } = setUp()
    await enter()
    log.deaf = true
    const reply = log.hold('read')
    const first = room.sync()
    await reply.done
    const tail = await send(1) // the run under way has read before
    const later = [room.sync(), room.sync()]
    const reads = log.calls('read')
    reply.release()
    await Promise.all([first, ...later])
    expect(room.replica.tail).toEqual(tail)
    expect(log.calls('read')).toBe(reads + 1)
  })

  it('a sync fails only those who asked for it', async () => {
    const { room, log, enter } = setUp()
    await enter()
    log.fail('read')
    const [first, second] = [room.sync(), room.sync()]
    await expect(first).rejects.toThrow('read fails')
    await expect(second).resolves.toBeUndefined()
  })

  it('late and repeated frames change nothing', async () => {
    const { room, log, send, enter, heard, settle } = setUp()
    await enter()
    log.late = true
    const tail = await send(RING + 2)
    await room.sync()
    log.lateFrames()
    await settle()
    expect(room.replica.tail).toEqual(tail)
    expect(heard).toEqual([1, 2, 3, 4, 5, 6].map((offset) => `epoch1:${offset}`))
  })
})

describe('starting over', () => {
  it('D6 where the log was trimmed', async () => {
    const { store, log, send, enter, heard, settle } = setUp()
    await enter()
    log.deaf = true
    await send(5)
    const stored = store.rooms.get(NAME) ?? expect.fail()
    stored.entries = stored.entries.slice(-2)
    log.deaf = false
    await send(1)
    await settle()
    await send(1)
    expect(heard).toEqual(['reset epoch1:6', 'epoch1:7'])
  })

  it('D6 not where the messages came after all, while the log was asked for them', async () => {
    const { store, log, send, enter, heard, settle, room } = setUp()
    await enter()
    log.late = true
    const tail = await send(3)
    const stored = store.rooms.get(NAME) ?? expect.fail()
    stored.entries = stored.entries.slice(-1)
    const reply = log.hold('read')
    const sync = room.sync()
    await reply.done
    log.lateFrames()
    reply.release()
    await sync
    await settle()
    expect(room.replica.tail).toEqual(tail)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'epoch1:3'])
  })

  it('D6 where history is another, for everybody: a new epoch', async () => {
    const { store, log, send, enter, heard, settle, room } = setUp()
    await enter()
    await send(3)
    const stored = store.rooms.get(NAME) ?? expect.fail()
    log.deaf = true
    const [first = expect.fail()] = stored.entries
    stored.entries = [first]
    stored.tail = { ...stored.tail, offset: 1, at: first.at }
    await vi.advanceTimersByTimeAsync(1)
    await send(3) // past the old tail
    log.deaf = false
    await room.sync()
    await send(1)
    await settle()
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'epoch1:3', 'reset epoch2:4', 'epoch2:5'])
  })

  it('D6 where links contradict each other: not for ever, but once', async () => {
    const { store, log, send, enter, heard, settle, room } = setUp()
    await enter()
    await send(1)
    log.deaf = true
    await send(3)
    const stored = store.rooms.get(NAME) ?? expect.fail()
    stored.entries = stored.entries.map((entry) =>
      entry.offset === 3 ? { ...entry, prevAt: entry.prevAt + 1 } : entry,
    )
    log.deaf = false
    await room.sync()
    await send(1)
    await settle()
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'reset epoch2:4', 'epoch2:5'])
    expect(log.calls('renew')).toBe(1)
  })

  it('D6 where another instance ended the epoch', async () => {
    const { others, send, enter, heard, settle } = setUp()
    await enter()
    const { epoch } = await send(2)
    await others.renew(NAME, epoch)
    await settle()
    await send(1)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'reset epoch2:2', 'epoch2:3'])
  })

  it('D6 where the room was forgotten and began again', async () => {
    const { store, send, enter, heard, settle } = setUp()
    await enter()
    await send(2)
    store.rooms.delete(NAME)
    await send(1)
    await settle()
    await send(1)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'reset epoch2:1', 'epoch2:2'])
  })
})

describe('labels', () => {
  const labels = '{"a":1}'

  it('that come while a room opens or is filled are told after their message, once', async () => {
    const { room, log, others, send, settle, heard, enter } = setUp()
    await enter()
    log.late = true
    const { offset, at } = await send(1)
    await others.label(NAME, { offset, at, labels })
    const reply = log.hold('read')
    const sync = room.sync()
    await reply.done
    log.late = false
    log.lateFrames()
    reply.release()
    await sync
    await settle()
    expect(heard).toEqual(['epoch1:1', `epoch1:1 ${labels}`])
  })

  it('D4 of a message that was missed lead to it', async () => {
    const { log, others, send, settle, heard, enter } = setUp()
    await enter()
    log.deaf = true
    const { offset, at } = await send(1)
    log.deaf = false
    await others.label(NAME, { offset, at, labels })
    await settle()
    expect(heard).toEqual(['epoch1:1', `epoch1:1 ${labels}`])
  })

  it('of another message at that offset, or of another epoch, are none', async () => {
    const { room, send, heard, enter } = setUp()
    await enter()
    const { epoch, offset, at } = await send(1)
    room.labelled(epoch, { offset, at: at + 1, labels })
    room.labelled('another', { offset, at, labels })
    expect(heard).toEqual(['epoch1:1'])
    expect(room.replica.answer(undefined, 1, true)).toMatchObject({ entries: [{ offset }] })
  })

  it('that were missed in an interruption are read once, when somebody asks for messages', async () => {
    const { room, log, others, send, enter } = setUp()
    await enter()
    const { offset, at } = await send(1)
    expect(room.catchUpOnLabels()).toBeUndefined()
    log.deaf = true
    await others.label(NAME, { offset, at, labels })
    log.deaf = false
    room.interrupted()
    log.fail('labels')
    await room.catchUpOnLabels()
    await Promise.all([room.catchUpOnLabels(), room.catchUpOnLabels()])
    expect(log.calls('labels')).toBe(2)
    expect(room.catchUpOnLabels()).toBeUndefined()
    expect(room.replica.answer(undefined, 1, true)).toMatchObject({ entries: [{ labels }] })
  })
})
