import type { Entry, Tail } from '../../rooms/message-log.ts'

/** Where a room lives in Redis. All names share the hash tag `{<room>}`, so one cluster slot. */
export interface RoomKeys {
  meta: string
  log: string
  channel: string
  dedup(sender: string, id: string): string
}

/** A room name inside a hash tag: braces would end the tag, `%` keeps the encoding reversible. */
function tagOf(room: string): string {
  return room.replace(/[%{}]/g, encodeURIComponent)
}

/** @param tag the hash tag; made from the room's name unless given */
export function roomKeys(prefix: string, room: string, tag: string = tagOf(room)): RoomKeys {
  const base = `${prefix}:{${tag}}`
  return {
    meta: `${base}:meta`,
    log: `${base}:log`,
    channel: `${base}:live`,
    // The length keeps ('a:b', 'c') and ('a', 'b:c') apart.
    dedup: (sender, id) => `${base}:id:${sender.length}:${sender}:${id}`,
  }
}

export type Frame =
  | { kind: 'message'; epoch: string; entry: Entry }
  | { kind: 'epoch'; epoch: string; tail: Tail }

const MESSAGE = /^m([\w-]{1,64}):(\d{1,16}):(\d{1,16}):(\d{1,16}):/
const EPOCH = /^e([\w-]{1,64}):(\d{1,16}):(\d{1,16})$/

/** Parses what the scripts publish (scripts.ts); undefined for anything else. */
export function frameOf(text: string): Frame | undefined {
  const message = MESSAGE.exec(text)
  if (message !== null) {
    const [head, epoch = '', offset, at, prevAt] = message
    const entry = {
      offset: Number(offset),
      at: Number(at),
      prevAt: Number(prevAt),
      content: text.slice(head.length),
    }
    return { kind: 'message', epoch, entry }
  }
  const renewed = EPOCH.exec(text)
  if (renewed === null) return undefined
  const [, epoch = '', offset, at] = renewed
  return { kind: 'epoch', epoch, tail: { epoch, offset: Number(offset), at: Number(at) } }
}
