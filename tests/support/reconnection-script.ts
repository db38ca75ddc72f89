import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../server/protocol.ts'
import type { Random } from '../chaos/random.ts'
import type { Scope } from './scope.ts'
import { type Visitor, visit } from './visitor.ts'

export interface Place {
  name: string
  url: string
}

export type Outcome = 'none' | 'resumed' | 'replayed' | 'reset'

/** What was done to one session, as far as its client can know. */
export interface ScriptedReturn {
  cause: string
  instance: 'same' | 'other'
  /** The shortest and the longest that its gap can have been, ms; undefined: nobody saw the end. */
  gap: readonly [number, number] | undefined
  outcome: Outcome
  replayed: number
  attempts: number | undefined
}

/** A room with some messages in it, to come back to. */
export interface Shelf {
  room: string
  position: Position
  /** `at` of the message that many places before the end. */
  before: ReadonlyMap<number, Position>
}

/** A close is seen by both sides, but not at the same moment. */
const SLACK_MS = 250

/** Brings sessions to instances, ends their connections and brings them back; remembers the truth. */
export interface ReconnectionScript {
  readonly returns: readonly ScriptedReturn[]
  /** A session's first connection. */
  arrive(place: Place): Promise<Guest>
  /** One of the same session, beside the others. */
  another(guest: Guest, place: Place): Promise<Visitor>
  /**
   * Comes back after `waitMs`. `ended` says when the former connection's end can have been.
   */
  comeBack(
    guest: Guest,
    place: Place,
    cause: string,
    ended: readonly [number, number] | 'after' | 'unseen',
    waitMs?: number,
  ): Promise<void>
}

export interface Guest {
  session: string
  place: Place
  visitor: Visitor
}

export function createReconnectionScript(
  scope: Scope,
  random: Random,
  shelf: Shelf,
): ReconnectionScript {
  const returns: ScriptedReturn[] = []
  let sessions = 0

  async function resume(visitor: Visitor): Promise<Pick<ScriptedReturn, 'outcome' | 'replayed'>> {
    const outcome = random.pick(['none', 'resumed', 'replayed', 'reset'] as const)
    if (outcome === 'none') return { outcome, replayed: 0 }
    const missed = outcome === 'replayed' ? random.pick([...shelf.before.keys()]) : 0
    const place = shelf.before.get(missed) ?? shelf.position
    const since = outcome === 'reset' ? { ...place, epoch: 'another' } : place
    const reply = await visitor.ask('room:join', { room: shelf.room, since, limit: 5 })
    if (reply['ok'] !== true || reply['recovered'] !== (outcome !== 'reset')) {
      throw new Error(`a join was answered ${JSON.stringify(reply)}`)
    }
    return { outcome, replayed: missed }
  }

  return {
    returns,
    async arrive(place) {
      sessions += 1
      const session = `scripted-${sessions}-${random.int(0, 1e9)}`
      return { session, place, visitor: await visit(scope, place.url, { session }) }
    },
    another: ({ session }, place) => visit(scope, place.url, { session }),
    async comeBack(guest, place, cause, ended, waitMs = 0) {
      await sleep(waitMs)
      const attempts = random.chance(0.5) ? random.int(1, 9) : undefined
      const began = performance.now()
      const auth = { session: guest.session, ...(attempts !== undefined && { attempts }) }
      const visitor = await visit(scope, place.url, auth)
      const welcomed = performance.now()
      const gap =
        ended === 'unseen'
          ? undefined
          : ended === 'after'
            ? ([0, 0] as const)
            : ([Math.max(0, began - ended[1] - SLACK_MS), welcomed - ended[0] + 2] as const)
      const instance = place.name === guest.place.name ? 'same' : 'other'
      returns.push({ cause, instance, gap, attempts, ...(await resume(visitor)) })
      guest.place = place
      guest.visitor = visitor
    },
  }
}

/** How many are of this kind. */
export function count(
  returns: readonly ScriptedReturn[],
  kind: Partial<Record<'cause' | 'instance' | 'outcome', string>>,
): number {
  return returns.filter((each) =>
    Object.entries(kind).every(([name, value]) => each[name as 'cause'] === value),
  ).length
}
