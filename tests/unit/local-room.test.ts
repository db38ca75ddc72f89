import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LocalRoom } from '../../server/rooms/local-room.ts'
import type { Entry, Tail } from '../../server/rooms/message-log.ts'
import { NAME, RING, setUpLocalRoom } from '../support/local-room.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

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
    const { room, heard, enter, send } = setUpLocalRoom()
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
    const { room, log, heard, enter, send } = setUpLocalRoom()
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
    const { room, log, heard, enter, send } = setUpLocalRoom()
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
    const { room, log, enter, send } = setUpLocalRoom()
    await enter()
    const tail = await send(1)
    const [first = expect.fail()] = appendMany(room, tail)
    const reads = log.calls('read')
    room.stored(tail.epoch, { ...first, at: first.at + 1 })
    expect(log.calls('read')).toBe(reads + 1)
  })

  it('goes nowhere while the room is not open', async () => {
    const { room, heard, send } = setUpLocalRoom()
    const tail = await send(1)
    room.appended(tail.epoch, entryAfter(tail))
    expect(heard).toEqual([])
    room.hold()
    await room.open()
    expect(room.replica.tail).toEqual(tail)
  })
})

describe('filling', () => {
  it('D4 a gap is filled page by page before what follows is delivered', async () => {
    const { log, send, enter, heard, settle } = setUpLocalRoom()
    await enter()
    log.deaf = true
    await send(7)
    log.deaf = false
    await send(1)
    await settle()
    expect(heard).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((offset) => `epoch1:${offset}`))
  })

  it('D4 what comes while it is filled waits, and what is more than the ring is fetched', async () => {
    const { log, send, enter, heard, settle } = setUpLocalRoom()
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
    const { room, log, send, enter, heard, settle, fillFailed } = setUpLocalRoom()
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
    const { room, log, send, enter } = setUpLocalRoom()
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
    const { room, log, enter } = setUpLocalRoom()
    await enter()
    log.fail('read')
    const [first, second] = [room.sync(), room.sync()]
    await expect(first).rejects.toThrow('read fails')
    await expect(second).resolves.toBeUndefined()
  })

  it('late and repeated frames change nothing', async () => {
    const { room, log, send, enter, heard, settle } = setUpLocalRoom()
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
    const { store, log, send, enter, heard, settle } = setUpLocalRoom()
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
    const { store, log, send, enter, heard, settle, room } = setUpLocalRoom()
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
    const { store, log, send, enter, heard, settle, room } = setUpLocalRoom()
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
    const { store, log, send, enter, heard, settle, room } = setUpLocalRoom()
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
    const { others, send, enter, heard, settle } = setUpLocalRoom()
    await enter()
    const { epoch } = await send(2)
    await others.renew(NAME, epoch)
    await settle()
    await send(1)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'reset epoch2:2', 'epoch2:3'])
  })

  it('D6 where the room was forgotten and began again', async () => {
    const { store, send, enter, heard, settle } = setUpLocalRoom()
    await enter()
    await send(2)
    store.rooms.delete(NAME)
    await send(1)
    await settle()
    await send(1)
    expect(heard).toEqual(['epoch1:1', 'epoch1:2', 'reset epoch2:1', 'epoch2:2'])
  })
})
