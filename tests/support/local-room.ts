import { expect, vi } from 'vitest'
import { createLocalRoom, type Member } from '../../server/rooms/local-room.ts'
import type { Tail } from '../../server/rooms/message-log.ts'
import { createGatedLog } from './gated-log.ts'
import { createMemoryLogs } from './memory-logs.ts'

export const NAME = 'room'
export const LINGER_MS = 1000
/** Entries that its ring holds. */
export const RING = 4

/**
 * A room over a memory store that others write to, with one member who notes what it is given. For fake
 * timers.
 */
export function setUpLocalRoom() {
  const { store, open } = createMemoryLogs()
  const others = open()
  const log = createGatedLog(open())
  const heard: string[] = []
  const note = (what: string) => void heard.push(what)
  const closed = vi.fn()
  const fillFailed = vi.fn()
  const lingering = { count: 0, max: 1 }
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
    lingering,
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
    lingering,
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
