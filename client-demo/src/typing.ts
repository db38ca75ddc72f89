import type { Room } from '../../client/connect.ts'
import type { Sender } from '../../server/protocol.ts'

/** Who is writing in a room, apart from us. Nothing here is certain to arrive. */
export interface Typing {
  /** Names of the others, longest-writing first. */
  readonly names: readonly string[]
  /** A message arrived: its sender is done writing. */
  stopped(sender: Sender): void
  close(): void
}

/** Above the 2 s between two announcements: losing one must not make the sign flicker. */
const FORGET_MS = 5_000

export function createTyping(room: Room, changed: () => void): Typing {
  const others = new Map<string, { name: string; forget: ReturnType<typeof setTimeout> }>()

  function drop(id: string): void {
    clearTimeout(others.get(id)?.forget)
    if (others.delete(id)) changed()
  }

  room.on('typing', ({ from: { id, name }, typing }) => {
    if (!typing) return drop(id)
    clearTimeout(others.get(id)?.forget)
    others.set(id, { name: name ?? id.slice(0, 8), forget: setTimeout(() => drop(id), FORGET_MS) })
    changed()
  })

  return {
    get names() {
      return [...others.values()].map(({ name }) => name)
    },
    stopped: ({ id }) => drop(id),
    close() {
      for (const { forget } of others.values()) clearTimeout(forget)
      others.clear()
    },
  }
}
