import type { RoomMessage } from '../../server/protocol.ts'
import type { Entry } from './history.ts'

/** The body that belongs to an id; ids end with the length of the padding. */
export function bodyOf(id: string): { of: string; pad: string } {
  return { of: id, pad: 'x'.repeat(Number(id.split('.').at(-1))) }
}

/** A message as the history keeps it; `altered` where its body is not the one that was sent. */
export function entryOf(message: RoomMessage): Entry {
  const { epoch, offset, id, at } = message
  const body = message.body as { of?: unknown; pad?: unknown } | null
  const intact = body?.of === id && body.pad === bodyOf(id).pad
  return { epoch, offset, id, at, ...(!intact && { altered: true as const }) }
}
