import type { Continuity, Entry, Labelled, Page, Query, Tail } from '../../rooms/message-log.ts'

/**
 * Whether a text is a message's content. It goes into packets as it is: what is none would end every
 * member's connection.
 */
export function isContent(text: string): boolean {
  return text.startsWith('{"id":"') && isObject(text)
}

/** Whether a text is that of a JSON object; labels go into packets as they are, too. */
export function isObject(text: string): boolean {
  if (!text.startsWith('{')) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** `{ epoch, offset, at, … }` as all scripts of a room return it. */
export function tailOf(reply: readonly unknown[]): Tail {
  return { epoch: String(reply[0]), offset: Number(reply[1]), at: Number(reply[2]) }
}

/**
 * A page of what the read script returned. An entry that is no message, as somebody's own writing into
 * Redis leaves it, counts as trimmed with everything before it: its room goes on, and those who would
 * have got it are told to start over (D6).
 *
 * @param damaged told of the newest such entry
 */
export function pageOf(
  reply: readonly unknown[],
  query: Query,
  damaged: (offset: number) => void,
): Page {
  const tail = tailOf(reply)
  const continuity = String(reply[3]) as Continuity
  const entries = entriesOf(reply)
  const last = entries.findLastIndex(({ content }) => !isContent(content))
  if (last < 0) return { tail, continuity, entries }

  damaged(entries[last]?.offset ?? 0)
  if (query.kind === 'after') {
    // What comes before it is still to be had; the next page begins with it.
    const first = entries.findIndex(({ content }) => !isContent(content))
    if (first > 0) return { tail, continuity, entries: entries.slice(0, first) }
  }
  const rest = entries.slice(last + 1)
  if (continuity !== 'whole' || query.kind === 'last' || query.kind === 'before') {
    return { tail, continuity, entries: rest }
  }
  const kept = query.kind === 'resume' ? rest.slice(Math.max(0, rest.length - query.orLast)) : []
  return { tail, continuity: 'trimmed', entries: kept }
}

function entriesOf(reply: readonly unknown[]): Entry[] {
  const entries: Entry[] = []
  for (let index = 4; index + 2 < reply.length; index += 3) {
    const [offset, at] = String(reply[index]).split('-')
    entries.push({
      offset: Number(offset),
      at: Number(at),
      content: String(reply[index + 1]),
      prevAt: Number(reply[index + 2]),
    })
  }
  return entries
}

/** `offset:at:labels` */
export function labelledOf(member: unknown): Labelled {
  const [, offset, at, labels = ''] = /^(\d+):(\d+):(.*)$/s.exec(String(member)) ?? []
  return { offset: Number(offset), at: Number(at), labels }
}

/** Both ascend. Labels of another history, with another time, are of no message here. */
export function putOn(entries: readonly Entry[], labels: readonly Labelled[]): void {
  const byOffset = new Map(labels.map((each) => [each.offset, each]))
  for (const entry of entries) {
    const found = byOffset.get(entry.offset)
    if (found?.at === entry.at && isObject(found.labels)) entry.labels = found.labels
  }
}
