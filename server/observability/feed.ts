/** How an event is to be taken: something ended well, a fact, look at it, look at it now. */
export type Mood = 'good' | 'info' | 'warn' | 'bad'

/** Something that happened to an instance, in words for its operators. Times are ms since 1970. */
export interface FeedEvent {
  readonly id: string
  /** Grows with every change of any event of a feed; only means something within it. */
  revision: number
  instance: string
  kind: string
  mood: Mood
  words: string
  at: number
  /** Repeats within a minute are counted rather than listed. */
  count: number
  lastAt: number
}

export interface Happening {
  kind: string
  mood: Mood
  words: string
  /** Events of the same key are repeats of each other. */
  key?: string
  /** Others are not told, because every instance sees it for itself. */
  local?: true
}

/** The last events of an instance, and those that other instances told of; bounded (D8). */
export interface Feed {
  readonly boot: string
  readonly instance: string
  /** The returned function puts other words to the same event. */
  note(happening: Happening): (words: string) => void
  /** Takes over what another instance noted; known events are brought up to date. */
  merge(events: readonly FeedEvent[]): void
  /** What was added or changed after this revision, oldest first. */
  since(revision: number): FeedEvent[]
  readonly revision: number
  /** The latest of one's own of the last half minute, for others. */
  recent(): FeedEvent[]
}

const CAPACITY = 200
const REPEAT_MS = 60_000
const RECENT_MS = 30_000
const MAX_RECENT = 8
const MAX_WORDS = 400
const MOODS: readonly string[] = ['good', 'info', 'warn', 'bad'] satisfies Mood[]

/** @param boot a name for this process that no other has */
export function createFeed(instance: string, boot: string, now: () => number = Date.now): Feed {
  const events = new Map<string, FeedEvent>()
  const locals = new Set<string>()
  const latest = new Map<string, FeedEvent>()
  let revision = 0
  let made = 0

  function add(event: FeedEvent): void {
    events.set(event.id, event)
    if (events.size <= CAPACITY) return
    const [oldest] = events.keys()
    if (oldest === undefined) return
    events.delete(oldest)
    locals.delete(oldest)
    for (const [key, kept] of latest) if (kept.id === oldest) latest.delete(key)
  }

  function change(event: FeedEvent, to: Partial<FeedEvent>): void {
    revision += 1
    Object.assign(event, to, { revision })
  }

  return {
    boot,
    instance,
    get revision() {
      return revision
    },
    note({ kind, mood, words: given, key, local }) {
      const at = now()
      const words = given.slice(0, MAX_WORDS)
      const before = key === undefined ? undefined : latest.get(key)
      if (before !== undefined && at - before.lastAt <= REPEAT_MS) {
        change(before, { words, mood, lastAt: at, count: before.count + 1 })
        return (other) => change(before, { words: other.slice(0, MAX_WORDS) })
      }
      revision += 1
      made += 1
      const id = `${boot}:${made}`
      const event: FeedEvent = {
        ...{ id, revision, instance, kind, mood, words },
        ...{ at, count: 1, lastAt: at },
      }
      if (local) locals.add(id)
      if (key !== undefined) latest.set(key, event)
      add(event)
      return (other) => change(event, { words: other.slice(0, MAX_WORDS) })
    },
    merge(theirs) {
      for (const event of theirs) {
        if (!isEvent(event) || event.id.startsWith(`${boot}:`)) continue
        const { id, instance: of, kind, mood, at, count, lastAt } = event
        const words = event.words.slice(0, MAX_WORDS)
        const known = events.get(id)
        if (known?.words === words && known.lastAt === lastAt) continue
        if (known !== undefined) {
          change(known, { words, mood, count, lastAt })
        } else if (now() - lastAt < REPEAT_MS) {
          revision += 1
          add({ id, revision, instance: of, kind, mood, words, at, count, lastAt })
        }
      }
    },
    since: (given) =>
      [...events.values()]
        .filter((event) => event.revision > given)
        .sort((a, b) => a.revision - b.revision),
    recent: () =>
      [...events.values()]
        .filter(({ id, lastAt }) => id.startsWith(`${boot}:`) && now() - lastAt < RECENT_MS)
        .filter(({ id }) => !locals.has(id))
        .slice(-MAX_RECENT),
  }
}

/** What comes from a store may be anything. */
function isEvent(value: unknown): value is FeedEvent {
  if (typeof value !== 'object' || value === null) return false
  const { id, instance, kind, mood, words, at, count, lastAt } = value as Record<string, unknown>
  return (
    [id, instance, kind, words].every((text) => typeof text === 'string' && text.length < 1000) &&
    [at, count, lastAt].every((number) => Number.isFinite(number)) &&
    MOODS.includes(String(mood))
  )
}
