import {
  type Claim,
  type Entry,
  type Labelled,
  type Page,
  type Tail,
  withinPage,
} from './message-log.ts'
import { createRing, type RingBudget } from './ring.ts'

/**
 * How a published entry relates to what this instance has:
 * `next` was taken; `known` is behind us; `gap` lies beyond the next; `old`, `broken` and `foreign`
 * do not fit what we have, which only the log can explain (D4, D6).
 */
export type Verdict = 'next' | 'known' | 'gap' | 'old' | 'broken' | 'foreign'

/**
 * An answer to a join from memory, or why there is none: `unsure` means the claim contradicts what
 * this instance has, which may be out of date; `log` that the entries are only in the log.
 */
export type Answer = { recovered: boolean; entries: Entry[] } | 'unsure' | 'log'

/** What this instance has of one room: the end of its log and the most recent entries. No I/O. */
export interface Replica {
  readonly tail: Tail
  /** Whether this instance has what was stored at that place, so that `accept` would say `known`. */
  has(epoch: string, offset: number, at: number): boolean
  /** Takes the entry if it is the next one and continues ours link by link. */
  accept(epoch: string, entry: Entry): Verdict
  /** Starts over from the newest page of the log. */
  seed(page: Page, asked: number): void
  /** Starts over at a place with nothing before it known. */
  adopt(tail: Tail): void
  /**
   * @param fresh the tail was verified with the log after the request arrived, so that a claim that
   *   contradicts it is wrong.
   */
  answer(since: Claim | undefined, limit: number, fresh: boolean): Answer
  /**
   * Entries above a place, if all of them are here; `unsure` where ours is another place: one of the
   * two is not what the log has now (D6).
   */
  after(place: Tail): Entry[] | 'unsure' | undefined
  /**
   * Notes the labels of a message, and says whether members have it and do not know them yet;
   * `ahead`: it is a message that this instance has not seen.
   */
  label(epoch: string, labelled: Labelled): 'new' | 'known' | 'ahead'
  /** Offsets of the entries that are held; undefined where there are none. */
  held(): { from: number; to: number } | undefined
  /** Frees what the budget counts. */
  clear(): void
}

export interface ReplicaOptions {
  ringCapacity: number
  /** Most entries a resume may bring; beyond it `recovered` is false. */
  resumeMax: number
}

const NOWHERE: Tail = { epoch: '', offset: 0, at: 0 }

export function createReplica(options: ReplicaOptions, budget: RingBudget): Replica {
  const ring = createRing(options.ringCapacity, budget)
  let tail = NOWHERE
  /** The log holds nothing below the ring's floor. */
  let nothingOlder = false

  function newest(limit: number, recovered: boolean): Answer {
    const all = ring.floor === 0 || nothingOlder || ring.size >= limit
    return all ? { recovered, entries: withinPage(ring.last(limit), true) } : 'log'
  }

  /** `at` of the place with this offset, as far as it is known. */
  function atOf(offset: number): number | undefined {
    if (offset === tail.offset) return tail.at
    return offset < ring.floor ? undefined : ring.atOf(offset)
  }

  return {
    get tail() {
      return tail
    },
    has: (epoch, offset, at) =>
      epoch === tail.epoch && offset <= tail.offset && at === atOf(offset),
    accept(epoch, entry) {
      if (epoch !== tail.epoch) return 'foreign'
      if (entry.offset > tail.offset + 1) return 'gap'
      if (entry.offset <= tail.offset) {
        const at = atOf(entry.offset)
        if (at === undefined) return 'old'
        return at === entry.at ? 'known' : 'broken'
      }
      if (entry.prevAt !== tail.at) return 'broken'
      const floor = ring.floor
      ring.push(entry)
      if (ring.floor !== floor) nothingOlder = false
      tail = { epoch, offset: entry.offset, at: entry.at }
      return 'next'
    },
    seed(page, asked) {
      tail = page.tail
      const entries = leadingTo(page)
      ring.reset(page.tail.offset - entries.length)
      for (const entry of entries) ring.push(entry)
      nothingOlder = page.entries.length < asked && ring.size === page.entries.length
    },
    adopt(place) {
      tail = place
      nothingOlder = false
      ring.reset(place.offset)
    },
    answer(since, limit, fresh) {
      if (since === undefined) return newest(limit, true)
      if (since.epoch !== tail.epoch || since.offset > tail.offset) {
        return fresh ? newest(limit, false) : 'unsure'
      }
      if (tail.offset - since.offset > options.resumeMax) return newest(limit, false)
      if (since.offset < ring.floor) return 'log'
      const { offset, at } = since
      const verified = offset === 0 || at === undefined || at === atOf(offset)
      if (verified) {
        const entries = ring.after(since.offset)
        const whole = withinPage(entries, false).length === entries.length
        return whole ? { recovered: true, entries } : newest(limit, false)
      }
      return fresh ? newest(limit, false) : 'unsure'
    },
    after({ epoch, offset, at }) {
      if (offset < ring.floor) return undefined
      return epoch === tail.epoch && atOf(offset) === at ? ring.after(offset) : 'unsure'
    },
    label(epoch, { offset, at, labels }) {
      if (epoch !== tail.epoch) return 'known' // of a history that members have left
      if (offset > tail.offset) return 'ahead'
      const entry = ring.at(offset)
      if (entry === undefined) return 'new' // older than what is held here
      if (entry.at !== at || entry.labels === labels) return 'known'
      ring.replace({ ...entry, labels }) // the entry may be another instance's as well
      return 'new'
    },
    held() {
      return ring.size === 0 ? undefined : { from: ring.floor + 1, to: tail.offset }
    },
    clear() {
      ring.reset(tail.offset)
    },
  }
}

/** The page's last entries, as far as they lead up to its tail link by link; others prove nothing. */
function leadingTo({ tail, entries }: Page): Entry[] {
  let { offset, at } = tail
  let start = entries.length
  for (const entry of entries.toReversed()) {
    if (entry.offset !== offset || entry.at !== at) break
    start -= 1
    offset -= 1
    at = entry.prevAt
  }
  return entries.slice(start)
}
