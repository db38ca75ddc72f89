import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NAME, setUpLocalRoom } from '../support/local-room.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('labels', () => {
  const labels = '{"a":1}'

  it('that come while a room opens or is filled are told after their message, once', async () => {
    const { room, log, others, send, settle, heard, enter } = setUpLocalRoom()
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
    const { log, others, send, settle, heard, enter } = setUpLocalRoom()
    await enter()
    log.deaf = true
    const { offset, at } = await send(1)
    log.deaf = false
    await others.label(NAME, { offset, at, labels })
    await settle()
    expect(heard).toEqual(['epoch1:1', `epoch1:1 ${labels}`])
  })

  it('of another message at that offset, or of another epoch, are none', async () => {
    const { room, send, heard, enter } = setUpLocalRoom()
    await enter()
    const { epoch, offset, at } = await send(1)
    room.labelled(epoch, { offset, at: at + 1, labels })
    room.labelled('another', { offset, at, labels })
    expect(heard).toEqual(['epoch1:1'])
    expect(room.replica.answer(undefined, 1, true)).toMatchObject({ entries: [{ offset }] })
  })

  it('that were missed in an interruption are read once, when somebody asks for messages', async () => {
    const { room, log, others, send, enter } = setUpLocalRoom()
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
  it('are waited for by all who ask while they are read, also those missed meanwhile', async () => {
    const { room, log, others, send, enter, settle } = setUpLocalRoom()
    await enter()
    const [first, second] = [await send(1), await send(1)]
    log.deaf = true
    await others.label(NAME, { ...first, labels })
    room.interrupted()
    const { done, release } = log.hold('labels')
    const asked = room.catchUpOnLabels()
    await done
    await others.label(NAME, { ...second, labels })
    room.interrupted()
    let answered = false
    const askedLater = room.catchUpOnLabels()?.then(() => {
      answered = true
    })
    await settle()
    expect(answered).toBe(false)
    release()
    await Promise.all([asked, askedLater])
    expect(answered).toBe(true)
    expect(room.catchUpOnLabels()).toBeUndefined()
    const entries = [{ labels }, { labels }]
    expect(room.replica.answer(undefined, 2, true)).toMatchObject({ entries })
  })
})
