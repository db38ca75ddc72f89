import type { Identity } from './identity.ts'
import { forbidden, type RoomAction, type RoomPolicy } from './policy.ts'
import { createRoomPatterns, type RoomPatterns } from './room-patterns.ts'

type Grants = Partial<Record<RoomAction, RoomPatterns>>

/**
 * What a token's claim grants: `{ rooms, join, send, history, members }`, each a list of patterns.
 * `rooms` is for everything; `history` and `members` follow `join` where they are absent. A claim of
 * another shape grants nothing.
 *
 * @param fallback for tokens without the claim, and where there are no tokens
 */
export function createClaimsPolicy(options: {
  claim: string
  publicRooms: readonly string[]
  fallback: 'open' | 'private'
}): RoomPolicy {
  const { claim, fallback } = options
  const open = createRoomPatterns(options.publicRooms)
  /** By claims, which are made anew with every token. */
  const known = new WeakMap<object, Grants>()

  /** Undefined where the token does not say. */
  function grantsOf({ token }: Identity): Grants | undefined {
    if (token === undefined || !Object.hasOwn(token.claims, claim)) return undefined
    const grants = known.get(token) ?? readGrants(token.claims[claim])
    known.set(token, grants)
    return grants
  }

  return {
    may(identity, action, room) {
      const user = identity.user.id
      if (open.match(room, user)) return true
      const grants = grantsOf(identity)
      const allowed =
        grants === undefined ? fallback === 'open' : grants[action]?.match(room, user) === true
      return allowed || forbidden(action)
    },
  }
}

function readGrants(value: unknown): Grants {
  if (typeof value !== 'object' || value === null) return {}
  // Own ones only: a claim comes from JSON, and `__proto__` is not a list of rooms.
  const listOf = (name: string): unknown[] | undefined => {
    const list = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
    return Array.isArray(list) ? list : undefined
  }
  const everything = listOf('rooms') ?? []
  const join = listOf('join')
  const grants = (list: unknown[] | undefined) =>
    createRoomPatterns([...everything, ...(list ?? [])])
  return {
    join: grants(join),
    send: grants(listOf('send')),
    history: grants(Object.hasOwn(value, 'history') ? listOf('history') : join),
    members: grants(Object.hasOwn(value, 'members') ? listOf('members') : join),
  }
}
