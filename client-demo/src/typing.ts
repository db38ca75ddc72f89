import type { Sender } from '../../server/protocol.ts'
import type { Connection } from './connection.ts'

/** Who is writing in one room, and saying that we are. Nothing here is certain to arrive. */
export interface Typing {
  /** Names of the others, longest-writing first. */
  readonly names: string[]
  /** Call at each keystroke; `false` when the text was sent or taken back. */
  announce(typing: boolean): void
  /** A message arrived: its sender is done writing. */
  stopped(sender: Sender): void
  close(): void
}

const REPEAT_MS = 2_000
/** Above `REPEAT_MS`, so that one lost announcement does not make the sign flicker. */
const FORGET_MS = 5_000

export function createTyping(room: string, connection: Connection, changed: () => void): Typing {
  const others = new Map<string, { name: string; forget: ReturnType<typeof setTimeout> }>()
  let announcedAt = 0

  const drop = (id: string) => {
    clearTimeout(others.get(id)?.forget)
    if (others.delete(id)) changed()
  }

  const unsubscribe = connection.on('room:typing', (event) => {
    const { id, name } = event.from
    if (event.room !== room || id === connection.status.user?.id) return
    if (!event.typing) {
      drop(id)
      return
    }
    clearTimeout(others.get(id)?.forget)
    others.set(id, { name: name ?? id, forget: setTimeout(() => drop(id), FORGET_MS) })
    changed()
  })

  return {
    get names() {
      return [...others.values()].map(({ name }) => name)
    },
    announce(typing) {
      const now = Date.now()
      if (typing ? now - announcedAt < REPEAT_MS : announcedAt === 0) return
      announcedAt = typing ? now : 0
      connection.typing(room, typing)
    },
    stopped: ({ id }) => drop(id),
    close() {
      unsubscribe()
      for (const { forget } of others.values()) clearTimeout(forget)
      others.clear()
    },
  }
}
