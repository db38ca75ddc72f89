import type { Member, Outlet } from '../../server/rooms/local-room.ts'
import type { Entry, Tail } from '../../server/rooms/message-log.ts'
import type { JoinAnswer, Rooms } from '../../server/rooms/rooms.ts'
import type { Random } from '../chaos/random.ts'

/** Somebody who is or was in a room, knows what they were given, and complains. */
export interface Person extends Member {
  readonly room: string
  /** Where they are connected; undefined while away. */
  rooms: Rooms | undefined
  joining: boolean
  member: boolean
  /** What they believe to be the room's end. */
  readonly place: Tail | undefined
  message(room: string, epoch: string, entry: Entry): void
  reset(room: string, position: Tail): void
  admitted(since: Tail | undefined, admission: JoinAnswer): void
  /** A place they have been at since they last had to forget. */
  earlier(random: Random): Tail | undefined
  /** Holds what they have against what is stored, once all is quiet. */
  settle(stored: { tail: Tail; entries: readonly Entry[] }): void
}

export interface PersonOptions {
  id: string
  room: string
  /** Whether there may be reasons to start over: a store that loses nothing gives none. */
  mayStartOver: boolean
  resumeMax: number
  count(what: 'delivered' | 'resumes' | 'notRecovered' | 'resets'): void
  problem(words: string): void
}

export function createPerson(options: PersonOptions): Person {
  const { id, count, mayStartOver } = options
  const problem = (words: string) => options.problem(`${id} in ${options.room}: ${words}`)
  /** Messages by offset since they last had to forget. */
  const view = new Map<number, Entry>()
  /** What they were given twice, differently: they have to be told to forget, if later. */
  let doubts: string[] = []
  let place: Tail | undefined

  function forget(): void {
    view.clear()
    doubts = []
  }

  function learn(entry: Entry): void {
    compare(entry)
    view.set(entry.offset, entry)
  }

  function compare({ offset, content }: Entry): void {
    const seen = view.get(offset)?.content
    if (seen === undefined || seen === content) return
    doubts.push(`saw ${seen} at ${offset} and was not told that it is ${content} (D6)`)
  }

  const person: Person = {
    id,
    room: options.room,
    rooms: undefined,
    joining: false,
    member: false,
    get place() {
      return place
    },
    message(room, epoch, entry) {
      count('delivered')
      if (!person.member || room !== person.room) problem(`heard of ${room} as a stranger`)
      else if (place?.epoch !== epoch || entry.offset !== place.offset + 1) {
        problem(`${epoch}:${entry.offset} after ${place?.epoch}:${place?.offset} (D3, D4)`)
      }
      place = { epoch, offset: entry.offset, at: entry.at }
      view.set(entry.offset, entry)
    },
    reset(room, position) {
      count('resets')
      if (!person.member || room !== person.room) problem(`reset of ${room} as a stranger`)
      if (!mayStartOver) problem('reset without a reason')
      place = position
      forget()
    },
    admitted(since, { position, recovered, entries }) {
      const offsets = entries.map(({ offset }) => offset)
      const from =
        since !== undefined && recovered ? since.offset : position.offset - offsets.length
      const whole = Array.from({ length: position.offset - from }, (_, index) => from + 1 + index)
      if ((recovered && since !== undefined) || !mayStartOver) {
        if (offsets.join() !== whole.join()) {
          problem(`admitted at ${position.offset} from ${from} with ${offsets} (D5)`)
        }
      }
      if (person.member && (place?.offset !== position.offset || place.epoch !== position.epoch)) {
        problem(`admitted again at ${position.offset} while at ${place?.offset} (D5)`)
      }
      if (since !== undefined) count('resumes')
      if (since === undefined || !recovered) forget()
      if (!recovered) {
        count('notRecovered')
        const tooMuch = since !== undefined && position.offset - since.offset > options.resumeMax
        if (!mayStartOver && !tooMuch) problem('not recovered without a reason')
      }
      for (const entry of entries) learn(entry)
      place = position
      person.member = true
    },
    earlier(random) {
      if (place === undefined || view.size === 0) return place
      const { offset, at } = random.pick([...view.values()])
      return { epoch: place.epoch, offset, at }
    },
    settle({ tail, entries }) {
      if (JSON.stringify(place) !== JSON.stringify(tail)) {
        problem(`at ${JSON.stringify(place)}, but the log ends at ${JSON.stringify(tail)} (D4)`)
      }
      for (const entry of entries) compare(entry)
      for (const doubt of doubts) problem(doubt)
    },
  }
  return person
}

/** Writes at the end of a turn and when flushed, to whoever is a member then: as the real one does. */
export function createPersonOutlet(): Outlet {
  const batches = new Map<string, { members: ReadonlySet<Member>; writes: (() => void)[] }>()
  const people = (members: ReadonlySet<Member>) => members as ReadonlySet<Person>

  function flush(room: string): void {
    const batch = batches.get(room)
    batches.delete(room)
    for (const write of batch?.writes ?? []) write()
  }
  return {
    flush,
    message(room, members, epoch, entry) {
      const batch = batches.get(room) ?? { members, writes: [] }
      batches.set(room, batch)
      batch.writes.push(() => {
        for (const person of people(batch.members)) person.message(room, epoch, entry)
      })
      setImmediate(() => flush(room))
    },
    labels: () => undefined,
    reset(room, members, position) {
      flush(room)
      for (const person of people(members)) person.reset(room, position)
    },
  }
}
