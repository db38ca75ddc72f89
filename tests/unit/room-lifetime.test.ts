import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LINGER_MS, NAME, RING, setUpLocalRoom } from '../support/local-room.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('opening', () => {
  it('concurrent openings share one subscription and one read', async () => {
    const { room, log } = setUpLocalRoom()
    room.hold()
    await Promise.all([room.open(), room.open(), room.open()])
    expect([log.calls('subscribe'), log.calls('read')]).toEqual([1, 1])
    await room.open()
    expect(log.calls('read')).toBe(1)
  })

  it('D4 takes what comes between the read and its reply', async () => {
    const { room, log, send } = setUpLocalRoom()
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
    const { room, log, send, settle } = setUpLocalRoom()
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
    const { room, log, send, settle, others } = setUpLocalRoom()
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
      const { room, log, closed, subscribed } = setUpLocalRoom()
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
    const { room, log, closed } = setUpLocalRoom()
    log.fail('read')
    const release = room.hold()
    await expect(room.open()).rejects.toThrow('read fails')
    release()
    expect(closed).toHaveBeenCalledOnce()
  })
})

describe('closing', () => {
  it('lingers, then unsubscribes and gives back its memory', async () => {
    const { room, send, enter, closed, subscribed, budget } = setUpLocalRoom()
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

  it('D8 beyond a number of rooms that linger, none more does', async () => {
    const { enter, settle, subscribed, lingering } = setUpLocalRoom()
    const release = await enter()
    lingering.count = lingering.max
    release()
    await settle()
    expect(subscribed()).toBe(false)
    expect(lingering.count).toBe(lingering.max)
    lingering.count = 0
    const again = await enter()
    again()
    expect([subscribed(), lingering.count]).toEqual([true, 1])
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    expect([subscribed(), lingering.count]).toEqual([false, 0])
  })

  it('is called off by whoever comes while it lingers', async () => {
    const { room, send, enter, closed, log } = setUpLocalRoom()
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
    const { room, enter, closed } = setUpLocalRoom()
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
    const { room, log, send, enter, closed, subscribed } = setUpLocalRoom()
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
    const { log, enter, closed } = setUpLocalRoom()
    const release = await enter()
    log.fail('unsubscribe')
    release()
    await vi.advanceTimersByTimeAsync(LINGER_MS)
    expect(closed).toHaveBeenCalledOnce()
  })

  it('closes by itself when whoever opened it did not stay', async () => {
    const { room, log, closed, subscribed } = setUpLocalRoom()
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
