import type { Position, RoomMessage } from '../server/protocol.ts'

/**
 * What became of a delivery: `next` in the room's order, a `repeat` of one that is here, or a `hole`:
 * something before it is missing, and has to be asked for.
 */
export type Arrival = 'next' | 'repeat' | 'hole'

/** A room's messages as far as they are here: ascending, each once, without holes within an epoch. */
export interface Timeline {
  /** The same array until something changes. */
  readonly messages: readonly RoomMessage[]
  /** Offset of the first message here, or of the one that comes next. */
  first(): number
  /** The last place that is known; undefined before the first join. */
  readonly position: Position | undefined
  /** Whether the room may hold messages before the first one here. */
  readonly hasEarlier: boolean
  /** Takes a live message; only `next` changes anything. */
  deliver(message: RoomMessage): Arrival
  /** Forgets everything (D6) and begins anew. */
  reset(messages: readonly RoomMessage[], position: Position): void
  /** Puts a page before the first message, where it joins on; as much as there is room for. */
  prepend(page: readonly RoomMessage[], before: number): boolean
}

/** Holds the last `limit` messages. */
export function createTimeline(limit: number, since?: Position): Timeline {
  let messages: readonly RoomMessage[] = []
  let position = since
  let trimmed = false

  const first = () => messages[0]?.offset ?? (position?.offset ?? 0) + 1

  return {
    get messages() {
      return messages
    },
    first,
    get position() {
      return position
    },
    get hasEarlier() {
      return !trimmed && first() > 1
    },
    deliver(message) {
      const { epoch, offset, at } = message
      const ahead = epoch === position?.epoch ? offset - position.offset : 2
      if (ahead !== 1) return ahead > 1 ? 'hole' : 'repeat'
      position = { epoch, offset, at }
      messages = [...messages, message].slice(-limit)
      return 'next'
    },
    reset(page, tail) {
      messages = page.slice(-limit)
      position = tail
      trimmed = false
    },
    prepend(page, before) {
      // Of another epoch: a reset is on its way.
      if (before !== first() || page.some(({ epoch }) => epoch !== position?.epoch)) return false
      if (page.length === 0) trimmed = true
      messages = [...page, ...messages].slice(-Math.max(limit, messages.length))
      return true
    },
  }
}
