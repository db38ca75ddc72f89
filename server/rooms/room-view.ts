import type { Sender } from '../protocol.ts'
import type { PresenceChange, RoomPresence } from './presence.ts'

/** Who came or went, as members are told. */
export interface ComingOrGoing {
  event: 'join' | 'leave'
  user: Sender
}

/**
 * Who is in a room over all instances, as one that has members who asked sees it. Each change returns
 * what to tell them: a user of several instances comes once, and goes with the last of them.
 */
export interface RoomView {
  /** Nobody is told: the room has too many members, or is not known yet. */
  readonly off: boolean
  apply(boot: string, change: PresenceChange): ComingOrGoing[]
  /** Replaces it by what was read, and the changes that came while reading. */
  replace(
    read: RoomPresence,
    since: readonly { boot: string; change: PresenceChange }[],
  ): ComingOrGoing[]
  /** Forgets whoever is there through other instances only. */
  keepOnly(boots: ReadonlySet<string>): ComingOrGoing[]
}

/** Beyond this many members, coming and going is told to nobody. */
export const MAX_TOLD = 200

export function createRoomView(): RoomView {
  /** Users by instance; undefined while off. */
  let instances: Map<string, Map<string, Sender>> | undefined

  function union(): Map<string, Sender> {
    const users = new Map<string, Sender>()
    for (const each of instances?.values() ?? []) {
      for (const [id, user] of each) users.set(id, user)
    }
    return users
  }

  function put(boot: string, { whole, present, gone }: PresenceChange): void {
    let users = instances?.get(boot)
    if (users === undefined || whole) {
      users = new Map()
      instances?.set(boot, users)
    }
    for (const id of gone) users.delete(id)
    for (const { user } of present) users.set(user.id, user)
    if (users.size === 0) instances?.delete(boot)
  }

  function changing(change: () => void): ComingOrGoing[] {
    const known = instances !== undefined
    const before = union()
    change()
    const after = union()
    if (after.size > MAX_TOLD) instances = undefined
    if (!known || instances === undefined) return []
    return [
      ...[...before]
        .filter(([id]) => !after.has(id))
        .map(([, user]) => ({ event: 'leave' as const, user })),
      ...[...after]
        .filter(([id]) => !before.has(id))
        .map(([, user]) => ({ event: 'join' as const, user })),
    ]
  }

  return {
    get off() {
      return instances === undefined
    },
    apply(boot, change) {
      if (instances === undefined) return []
      return changing(() => put(boot, change))
    },
    replace(read, since) {
      if (!read.whole) {
        instances = undefined
        return []
      }
      return changing(() => {
        instances = new Map()
        for (const { boot, present } of read.users) put(boot, { whole: true, present, gone: [] })
        for (const { boot, change } of since) put(boot, change)
      })
    },
    keepOnly(boots) {
      const gone = [...(instances?.keys() ?? [])].filter((boot) => !boots.has(boot))
      if (gone.length === 0) return []
      return changing(() => {
        for (const boot of gone) instances?.delete(boot)
      })
    },
  }
}
