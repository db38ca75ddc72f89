import type { RoomMessage } from '../../server/protocol.ts'

/** The messages of one room that this page holds: ascending by offset, each offset once. */
export interface Timeline {
  readonly messages: readonly RoomMessage[]
  readonly first: RoomMessage | undefined
  readonly last: RoomMessage | undefined
  /** Those that were new. Beyond the limit the oldest go. */
  add(messages: readonly RoomMessage[]): RoomMessage[]
  /** Like `add`, for older messages that were asked for: nothing is dropped for them. */
  addEarlier(messages: readonly RoomMessage[]): void
  clear(): void
}

export function createTimeline(limit: number): Timeline {
  let messages: RoomMessage[] = []
  let offsets = new Set<number>()

  const insert = (incoming: readonly RoomMessage[]): RoomMessage[] => {
    const fresh: RoomMessage[] = []
    for (const message of incoming) {
      if (offsets.has(message.offset)) continue
      offsets.add(message.offset)
      fresh.push(message)
    }
    const last = messages.at(-1)
    messages.push(...fresh)
    const inOrder = fresh.every(
      (message, index) => (fresh[index - 1] ?? last ?? { offset: 0 }).offset < message.offset,
    )
    if (!inOrder) messages.sort((a, b) => a.offset - b.offset)
    return fresh
  }

  return {
    get messages() {
      return messages
    },
    get first() {
      return messages[0]
    },
    get last() {
      return messages.at(-1)
    },
    add(incoming) {
      const fresh = insert(incoming)
      for (const old of messages.splice(0, Math.max(0, messages.length - limit))) {
        offsets.delete(old.offset)
      }
      return fresh
    },
    addEarlier: (incoming) => void insert(incoming),
    clear() {
      messages = []
      offsets = new Set()
    },
  }
}
