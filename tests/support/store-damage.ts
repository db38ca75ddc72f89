import type { MemoryStore } from '../../server/broker/memory-store.ts'
import type { MessageLog } from '../../server/rooms/message-log.ts'
import type { Random } from '../chaos/random.ts'

/**
 * Does to a room of a memory store what operators, evictions and fail-overs do to one in Redis. The
 * clock has to move before anything else is appended: nothing is lost and replaced within 1 ms.
 *
 * @param rewrite appends behind everybody's back
 */
export async function damageRoom(
  store: MemoryStore,
  name: string,
  random: Random,
  deps: { log: MessageLog; rewrite: (messages: number) => Promise<void> },
): Promise<void> {
  const room = store.rooms.get(name)
  if (room === undefined) return

  function rollBack(entries: number): void {
    if (room === undefined) return
    room.entries = room.entries.slice(0, Math.max(0, room.entries.length - entries))
    const last = room.entries.at(-1)
    room.tail = { epoch: room.tail.epoch, offset: last?.offset ?? 0, at: last?.at ?? 0 }
    for (const [key, { position }] of room.dedup) {
      if (position.offset > room.tail.offset) room.dedup.delete(key)
    }
  }

  switch (random.pick(['forget', 'trim', 'renew', 'roll back', 'rewrite', 'edit'])) {
    case 'forget':
      store.rooms.delete(name)
      break
    case 'trim':
      room.entries = room.entries.slice(random.int(0, room.entries.length))
      break
    case 'renew':
      await deps.log.renew(name, room.tail.epoch)
      break
    case 'roll back':
      rollBack(random.int(0, room.entries.length))
      break
    case 'rewrite': {
      const entries = random.int(1, 5)
      rollBack(entries)
      await deps.rewrite(random.int(entries - 1, entries + 2))
      break
    }
    case 'edit': {
      const index = random.int(0, Math.max(0, room.entries.length - 2))
      const entry = room.entries[index]
      if (entry !== undefined) room.entries[index] = { ...entry, prevAt: entry.prevAt + 1 }
    }
  }
}
