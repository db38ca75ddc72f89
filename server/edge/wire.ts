import type { Labels, Position, RoomMessage } from '../protocol.ts'
import type { Entry, Tail } from '../rooms/message-log.ts'

/** The position of an empty room has no time. */
export function wirePosition({ epoch, offset, at }: Tail): Position {
  return offset === 0 ? { epoch, offset } : { epoch, offset, at }
}

export function wireMessages(
  room: string,
  epoch: string,
  entries: readonly Entry[],
): RoomMessage[] {
  return entries.map(({ offset, at, content, labels }) => ({
    room,
    epoch,
    offset,
    at,
    ...(JSON.parse(content) as Pick<RoomMessage, 'id' | 'from' | 'body'>),
    ...(labels !== undefined && { labels: JSON.parse(labels) as Labels }),
  }))
}
