import type { Members, Room } from '../../client/connect.ts'

/** Who is in a room; undefined where the gateway does not say. */
export interface Roster {
  readonly members: Members | undefined
  /** Asks again: after every join, what was known is old. */
  refresh(): void
  close(): void
}

const SHOWN = 50
/** People come and go together, as when an instance goes away: one question for all of them. */
const SETTLE_MS = 300

export function createRoster(room: Room, changed: () => void): Roster {
  let members: Members | undefined
  let due: ReturnType<typeof setTimeout> | undefined
  let closed = false

  async function ask(): Promise<void> {
    const now = await room.members(SHOWN).catch(() => undefined) // a gateway without presence
    if (closed) return
    members = now
    changed()
  }

  function refresh(): void {
    clearTimeout(due)
    due = setTimeout(() => void ask(), SETTLE_MS)
  }

  room.on('presence', refresh)
  return {
    get members() {
      return members
    },
    refresh,
    close() {
      closed = true
      clearTimeout(due)
    },
  }
}
