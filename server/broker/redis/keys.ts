/** Where a room lives in Redis. All names share the hash tag `{<room>}`, so one cluster slot. */
export interface RoomKeys {
  meta: string
  log: string
  channel: string
  /** Of messages that were given some; sorted by offset. */
  labels: string
  dedup(sender: string, id: string): string
  /** What a sender said lately. */
  content(sender: string, digest: string): string
  /** Channel of who comes and goes. */
  presence: string
  /** There while somebody is in the room, where anybody is told of that. */
  occupied: string
  /** Users of one instance's run. */
  here(boot: string): string
  claim(group: string, id: string): string
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
    labels: `${base}:labels`,
    // The length keeps ('a:b', 'c') and ('a', 'b:c') apart.
    dedup: (sender, id) => `${base}:id:${sender.length}:${sender}:${id}`,
    content: (sender, digest) => `${base}:said:${sender.length}:${sender}:${digest}`,
    presence: `${base}:presence`,
    occupied: `${base}:occupied`,
    here: (boot) => `${base}:here:${boot}`,
    claim: (group, id) => `${base}:claim:${group.length}:${group}:${id}`,
  }
}
