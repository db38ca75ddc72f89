import type { Entry, Labelled, Tail } from '../../rooms/message-log.ts'
import { isContent, isObject } from './entries.ts'

export type Frame =
  /** Messages that follow one another, at least one. */
  | { kind: 'messages'; epoch: string; entries: Entry[] }
  | { kind: 'labels'; epoch: string; labelled: Labelled }
  | { kind: 'epoch'; epoch: string; tail: Tail }

type Known = (epoch: string, offset: number, at: number) => boolean

/** The first message of a frame; the others have its time. */
interface First extends Tail {
  prevAt: number
}

const HEAD = /^m([\w-]{1,64}):(\d{1,16}):(\d{1,16}):(\d{1,16}):/
const LABELS = /^l([\w-]{1,64}):(\d{1,16}):(\d{1,16}):/
const EPOCH = /^e([\w-]{1,64}):(\d{1,16}):(\d{1,16})$/
const MAX_HEAD = 1 + 65 + 3 * 17
const NEW_LINE = 0x0a

/**
 * Parses what the scripts publish (scripts.ts); undefined for anything else. Whoever may publish here
 * may also publish nonsense: messages end at the first line that is not the content of one.
 *
 * @param known says which messages nobody needs: they are not read
 */
export function frameOf(buffer: Buffer, known?: Known): Frame | undefined {
  const head = buffer.toString('latin1', 0, MAX_HEAD)
  const message = HEAD.exec(head)
  if (message !== null) {
    const [{ length }, epoch = '', offset, at, prevAt] = message
    const first = { epoch, offset: Number(offset), at: Number(at), prevAt: Number(prevAt) }
    const entries = entriesOf(buffer, length, first, known)
    return entries.length === 0 ? undefined : { kind: 'messages', epoch, entries }
  }
  const labels = LABELS.exec(head)
  if (labels !== null) return labelsOf(buffer, labels)
  const renewed = buffer.length > MAX_HEAD ? null : EPOCH.exec(head)
  if (renewed === null) return undefined
  const [, epoch = '', offset, at] = renewed
  return { kind: 'epoch', epoch, tail: { epoch, offset: Number(offset), at: Number(at) } }
}

/** Goes into packets as it is, like content. */
function labelsOf(buffer: Buffer, [start, epoch = '', offset, at]: RegExpExecArray) {
  const labels = buffer.toString('utf8', start.length)
  if (!isObject(labels)) return undefined
  const labelled = { offset: Number(offset), at: Number(at), labels }
  return { kind: 'labels' as const, epoch, labelled }
}

/** Each content is a string of its own: a part of a longer one would keep all of it in memory. */
function entriesOf(buffer: Buffer, start: number, first: First, known?: Known): Entry[] {
  const { epoch, at } = first
  const entries: Entry[] = []
  let { offset, prevAt } = first
  for (let from = start; from <= buffer.length; ) {
    const newLine = buffer.indexOf(NEW_LINE, from)
    const end = newLine < 0 ? buffer.length : newLine
    if (!known?.(epoch, offset, at)) {
      const content = buffer.toString('utf8', from, end)
      if (!isContent(content)) break
      entries.push({ offset, at, prevAt, content })
    }
    offset += 1
    prevAt = at
    from = end + 1
  }
  return entries
}
