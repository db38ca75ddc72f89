import type { Entry, Labelled, Tail } from '../../rooms/message-log.ts'
import { isContent, isObject } from './entries.ts'

export type Frame =
  /** Messages that follow one another, at least one. */
  | { kind: 'messages'; epoch: string; entries: Entry[] }
  | { kind: 'labels'; epoch: string; labelled: Labelled }
  | { kind: 'epoch'; epoch: string; tail: Tail }

const HEAD = /^m([\w-]{1,64}):(\d{1,16}):(\d{1,16}):(\d{1,16}):/
const LABELS = /^l([\w-]{1,64}):(\d{1,16}):(\d{1,16}):/
const EPOCH = /^e([\w-]{1,64}):(\d{1,16}):(\d{1,16})$/
const MAX_HEAD = 1 + 65 + 3 * 17
const NEW_LINE = 0x0a

/**
 * Parses what the scripts publish (scripts.ts); undefined for anything else. Whoever may publish here
 * may also publish nonsense: messages end at the first line that is not the content of one.
 */
export function frameOf(buffer: Buffer): Frame | undefined {
  const head = buffer.toString('latin1', 0, MAX_HEAD)
  const message = HEAD.exec(head)
  if (message !== null) {
    const [{ length }, epoch = '', offset, at, prevAt] = message
    const entries = entriesOf(buffer, length, Number(offset), Number(at), Number(prevAt))
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
function entriesOf(
  buffer: Buffer,
  start: number,
  first: number,
  at: number,
  prevAt: number,
): Entry[] {
  const entries: Entry[] = []
  for (let from = start; from <= buffer.length; ) {
    const newLine = buffer.indexOf(NEW_LINE, from)
    const end = newLine < 0 ? buffer.length : newLine
    const content = buffer.toString('utf8', from, end)
    if (!isContent(content)) break
    const offset = first + entries.length
    entries.push({ offset, at, prevAt: entries.length === 0 ? prevAt : at, content })
    from = end + 1
  }
  return entries
}
