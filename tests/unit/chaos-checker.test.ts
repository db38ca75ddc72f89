import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkHistory, type Report } from '../chaos/checker.ts'
import { type Entry, fromJsonLines, type HistoryEvent, toJsonLines } from '../chaos/history.ts'
import { modelHistory } from '../chaos/model.ts'
import { createRandom, type Random } from '../chaos/random.ts'
import { checkRival } from '../chaos/rival-checker.ts'
import type { ViolationKind } from '../chaos/view.ts'
import { showWindow } from '../chaos/window.ts'

const RUNS = 25
const lossless = { mayLose: false, dedupWindowMs: 600_000, resumable: 250 }
const lossy = { ...lossless, mayLose: true }

type Of<Type extends HistoryEvent['type']> = HistoryEvent & { type: Type }

/** Indices of the events of a type that fit. */
function where<Type extends HistoryEvent['type']>(
  events: HistoryEvent[],
  type: Type,
  fits: (event: Of<Type>, index: number) => boolean = () => true,
): number[] {
  return events.flatMap((event, index) =>
    event.type === type && fits(event as Of<Type>, index) ? [index] : [],
  )
}

function at<Type extends HistoryEvent['type']>(
  events: HistoryEvent[],
  type: Type,
  index: number,
): Of<Type> {
  const event = events[index]
  if (event?.type !== type) throw new Error(`event ${index} is no ${type}`)
  return event as Of<Type>
}

/** The next message of the same client and room, if nothing but messages lies between. */
function successor(events: HistoryEvent[], index: number): number | undefined {
  const { client, room } = at(events, 'message', index)
  for (let next = index + 1; next < events.length; next += 1) {
    const fact = events[next]
    if (fact === undefined || !('client' in fact) || fact.client !== client) continue
    if (fact.type === 'disconnected') return undefined
    if (!('room' in fact) || fact.room !== room) continue
    if (fact.type === 'message') return next
    if (fact.type === 'joined' || fact.type === 'reset' || fact.type === 'left') return undefined
  }
  return undefined
}

/** Breaks a history in one way; undefined where this one offers no place for it. */
type Breakage = (events: HistoryEvent[], random: Random) => HistoryEvent[] | undefined

function pickOr<Item>(items: Item[], random: Random): Item | undefined {
  return items.length === 0 ? undefined : random.pick(items)
}

const resumesWithMessages = (events: HistoryEvent[]): number[] =>
  where(events, 'joined', (e) => e.since !== undefined && e.recovered && e.messages.length > 0)

const count: Record<Exclude<ViolationKind, 'resetUnneeded' | 'dropped'>, keyof Report> = {
  lost: 'lost',
  repeated: 'repeated',
  reordered: 'reordered',
  torn: 'torn',
  hole: 'holes',
  resetMissed: 'resetsMissed',
  altered: 'altered',
  rejected: 'rejected',
  stuck: 'stuck',
}

const breakages: Record<string, { break: Breakage; found: (keyof typeof count)[] }> = {
  'a message left out of the middle of the live stream': {
    found: ['lost'],
    break: (events, random) => {
      const place = pickOr(
        where(events, 'message', (_, index) => successor(events, index) !== undefined),
        random,
      )
      return place === undefined ? undefined : events.toSpliced(place, 1)
    },
  },
  'a message left out of the reply to a resume': {
    found: ['lost', 'torn'],
    break: (events, random) => {
      const place = pickOr(resumesWithMessages(events), random)
      if (place === undefined) return undefined
      const fact = at(events, 'joined', place)
      const gone = random.int(0, fact.messages.length - 1)
      return events.with(place, { ...fact, messages: fact.messages.toSpliced(gone, 1) })
    },
  },
  'the first live message after a join left out': {
    found: ['lost', 'torn'],
    break: (events, random) => {
      const first = where(events, 'message', (fact, index) => {
        const before = events.findLastIndex(
          (e, i) =>
            i < index &&
            'client' in e &&
            e.client === fact.client &&
            (e.type === 'joined' || e.type === 'message') &&
            e.room === fact.room,
        )
        return events[before]?.type === 'joined' && successor(events, index) !== undefined
      })
      const place = pickOr(first, random)
      return place === undefined ? undefined : events.toSpliced(place, 1)
    },
  },
  'the last messages of a member never delivered': {
    found: ['lost'],
    break: (events, random) => {
      const end = pickOr(
        where(events, 'end', (e) => e.rooms.length > 0),
        random,
      )
      if (end === undefined) return undefined
      const { client, rooms } = at(events, 'end', end)
      const room = random.pick(rooms)
      const last = events.findLastIndex(
        (e) =>
          'room' in e &&
          'client' in e &&
          e.client === client &&
          e.room === room &&
          ['message', 'joined', 'reset'].includes(e.type),
      )
      return events[last]?.type === 'message' ? events.toSpliced(last, 1) : undefined
    },
  },
  'an acknowledged message missing from the log': {
    found: ['lost'],
    break: (events, random) => {
      const acked = new Set(where(events, 'acked').map((index) => at(events, 'acked', index).id))
      const finals = where(events, 'final', (e) => acked.has(e.entries.at(-1)?.id ?? ''))
      const first = pickOr(finals, random)
      if (first === undefined) return undefined
      const { room } = at(events, 'final', first)
      return events.map((e) =>
        e.type === 'final' && e.room === room ? { ...e, entries: e.entries.slice(0, -1) } : e,
      )
    },
  },
  'two live messages swapped': {
    found: ['reordered'],
    break: (events, random) => {
      const place = pickOr(
        where(events, 'message', (_, index) => successor(events, index) !== undefined),
        random,
      )
      const next = place === undefined ? undefined : successor(events, place)
      if (place === undefined || next === undefined) return undefined
      const [a, b] = [at(events, 'message', place), at(events, 'message', next)]
      return events.with(place, { ...b, t: a.t }).with(next, { ...a, t: b.t })
    },
  },
  'two messages of a reply swapped': {
    found: ['reordered'],
    break: (events, random) => {
      const place = pickOr(
        where(events, 'joined', (e) => e.messages.length > 1),
        random,
      )
      if (place === undefined) return undefined
      const fact = at(events, 'joined', place)
      const [a, b, ...rest] = fact.messages
      if (a === undefined || b === undefined) return undefined
      return events.with(place, { ...fact, messages: [b, a, ...rest] })
    },
  },
  'two members who see different messages at one offset': {
    found: ['reordered'],
    break: (events, random) => {
      const place = pickOr(where(events, 'message'), random)
      if (place === undefined) return undefined
      const fact = at(events, 'message', place)
      return events.with(place, { ...fact, id: `${fact.id}-other` })
    },
  },
  'a live message delivered twice': {
    found: ['repeated'],
    break: (events, random) => {
      const place = pickOr(where(events, 'message'), random)
      if (place === undefined) return undefined
      return events.toSpliced(place + 1, 0, { ...at(events, 'message', place) })
    },
  },
  'a message of the reply delivered live again': {
    found: ['repeated', 'torn'],
    break: (events, random) => {
      const place = pickOr(resumesWithMessages(events), random)
      if (place === undefined) return undefined
      const { client, room, messages, t } = at(events, 'joined', place)
      const again = messages.at(-1)
      if (again === undefined) return undefined
      return events.toSpliced(place + 1, 0, { type: 'message', client, room, t, ...again })
    },
  },
  'a live message before the acknowledgement of the join': {
    found: ['torn'],
    break: (events, random) => {
      const place = pickOr(resumesWithMessages(events), random)
      if (place === undefined) return undefined
      const { client, room, messages, t } = at(events, 'joined', place)
      const early = messages.at(-1)
      if (early === undefined) return undefined
      return events.toSpliced(place, 0, { type: 'message', client, room, t, ...early })
    },
  },
  'one message stored twice': {
    found: ['repeated'],
    break: (events, random) => {
      const finals = where(events, 'final', (e) => e.entries.length > 0)
      const first = pickOr(finals, random)
      if (first === undefined) return undefined
      const { room } = at(events, 'final', first)
      return events.map((e) => {
        const entry = e.type === 'final' && e.room === room ? e.entries[0] : undefined
        if (e.type !== 'final' || entry === undefined) return e
        const again = { ...entry, offset: (e.entries.at(-1)?.offset ?? 0) + 1 }
        return { ...e, entries: [...e.entries, again] }
      })
    },
  },
  'a retry acknowledged as new at another position': {
    found: ['repeated'],
    break: (events, random) => {
      const place = pickOr(where(events, 'acked'), random)
      if (place === undefined) return undefined
      const fact = at(events, 'acked', place)
      const position = { ...fact.position, offset: fact.position.offset + 1 }
      return events.toSpliced(place + 1, 0, { ...fact, duplicate: false, position })
    },
  },
  'an offset that nobody ever saw': {
    found: ['hole'],
    break: (events, random) => {
      const places = where(events, 'message', (_, index) => successor(events, index) !== undefined)
      const place = pickOr(places, random)
      if (place === undefined) return undefined
      const { id } = at(events, 'message', place)
      const others = (entries: Entry[]): Entry[] => entries.filter((entry) => entry.id !== id)
      return events
        .filter((e) => !('id' in e) || e.id !== id)
        .map((e) => {
          if (e.type === 'final') return { ...e, entries: others(e.entries) }
          return 'messages' in e ? { ...e, messages: others(e.messages) } : e
        })
    },
  },
  'an epoch that changes without a word': {
    found: ['resetMissed'],
    break: (events, random) => {
      const place = pickOr(where(events, 'message'), random)
      if (place === undefined) return undefined
      return events.with(place, { ...at(events, 'message', place), epoch: 'another' })
    },
  },
  'a resume into another epoch called recovered': {
    found: ['resetMissed'],
    break: (events, random) => {
      const place = pickOr(resumesWithMessages(events), random)
      if (place === undefined) return undefined
      const fact = at(events, 'joined', place)
      const position = { ...fact.position, epoch: 'another' }
      const messages = fact.messages.map((entry) => ({ ...entry, epoch: 'another' }))
      return events.with(place, { ...fact, position, messages })
    },
  },
  'a message nobody sent': {
    found: ['altered'],
    break: (events, random) => {
      const place = pickOr(
        where(events, 'final', (e) => e.entries.length > 0),
        random,
      )
      if (place === undefined) return undefined
      const { room, entries } = at(events, 'final', place)
      const id = entries[0]?.id
      return events.filter((e) => !(e.type === 'send' && e.room === room && e.id === id))
    },
  },
  'a body that changed on its way': {
    found: ['altered'],
    break: (events, random) => {
      const place = pickOr(where(events, 'message'), random)
      if (place === undefined) return undefined
      return events.with(place, { ...at(events, 'message', place), altered: true })
    },
  },
  'a member that never came back': {
    found: ['stuck'],
    break: (events, random) => {
      const end = pickOr(
        where(events, 'end', (e) => e.rooms.length > 0),
        random,
      )
      if (end === undefined) return undefined
      const { client, t } = at(events, 'end', end)
      return events.toSpliced(end, 0, { type: 'disconnected', client, reason: 'gone', t })
    },
  },
  'a send refused for good': {
    found: ['rejected'],
    break: (events, random) => {
      const place = pickOr(where(events, 'failed'), random)
      if (place === undefined) return undefined
      const fact = at(events, 'failed', place)
      return events.with(place, { ...fact, code: 'INTERNAL', retryable: false })
    },
  },
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 })

describe('the history checker', () => {
  it('accepts what a faultless gateway does', () => {
    let sent = 0
    let duplicates = 0
    let unknown = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const report = checkHistory(modelHistory(seed), lossless)
        expect(report.violations).toEqual([])
        sent += report.sent
        duplicates += report.duplicates
        unknown += report.unknownOutcomes
      }),
    )
    // A model that never did these would accept nothing of worth.
    expect(Math.min(sent, duplicates, unknown)).toBeGreaterThan(100)
  })

  it('D6: accepts a rollback that every member and every returner is told of', () => {
    let resets = 0
    let rolledBack = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const report = checkHistory(modelHistory(seed, { rollback: true }), lossy)
        expect(report.violations).toEqual([])
        resets += report.resetsAnnounced
        rolledBack += report.rolledBack
      }),
    )
    expect(Math.min(resets, rolledBack)).toBeGreaterThan(100)
  })

  for (const [name, breakage] of Object.entries(breakages)) {
    it(`finds ${name}`, () => {
      let tried = 0
      fc.assert(
        fc.property(seeds, (seed) => {
          const broken = breakage.break(modelHistory(seed), createRandom(seed + 1))
          fc.pre(broken !== undefined)
          tried += 1
          const report = checkHistory(broken, lossless)
          for (const kind of breakage.found) {
            expect(report[count[kind]], `${kind} in seed ${seed}`).toBeGreaterThan(0)
            const shown = report.violations.find((violation) => violation.kind === kind)
            expect(shown && showWindow(broken, shown)).toContain('\n> #')
          }
        }),
        { numRuns: RUNS },
      )
      expect(tried).toBe(RUNS)
    })
  }

  it('D6: finds a reset that one member was not sent', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const events = modelHistory(seed, { rollback: true })
        // One whose holder saw messages of the old log, and goes on to some of the new.
        const place = where(events, 'reset', (reset, index) => {
          const next = events.find(
            (e, i) =>
              i > index &&
              'client' in e &&
              e.client === reset.client &&
              (e.type === 'disconnected' || ('room' in e && e.room === reset.room)),
          )
          return next?.type === 'message'
        })[0]
        fc.pre(place !== undefined)
        const report = checkHistory(events.toSpliced(place, 1), lossy)
        expect(report.resetsMissed).toBeGreaterThan(0)
      }),
      { numRuns: RUNS },
    )
  })

  it('D6: finds a rollback hidden by keeping the epoch', () => {
    let found = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const events = modelHistory(seed, { rollback: true })
        // As if nobody had noticed: one epoch all along, and no resets.
        const silent = events
          .filter((e) => e.type !== 'reset')
          .map((e) => JSON.parse(JSON.stringify(e).replaceAll(/"(red|blue)2"/g, '"$11"')))
        // In one of sixteen the rollback took nothing that anybody had seen.
        fc.pre(where(events, 'reset').length > 0)
        const { resetsMissed, lost, reordered } = checkHistory(silent, lossy)
        if (resetsMissed + lost + reordered > 0) found += 1
      }),
      { numRuns: RUNS },
    )
    expect(found).toBeGreaterThan(RUNS * 0.8)
  })

  it('mentions resets that had no need, without calling them wrong', () => {
    const events = modelHistory(3)
    const first = resumesWithMessages(events)[0] ?? -1
    const told = events.with(first, { ...at(events, 'joined', first), recovered: false })
    const report = checkHistory(told, lossless)
    const before = checkHistory(events, lossless)
    expect(report.violations).toEqual([])
    expect(report.notices).toHaveLength(before.notices.length + 1)
    expect(checkHistory(told, lossy).notices).toEqual([])
  })

  it('refuses to judge a room whose log nobody read at the end', () => {
    const events = modelHistory(1).filter((e) => e.type !== 'final')
    expect(() => checkHistory(events, lossless)).toThrow('no final read')
  })

  it('judges a history read back from its file the same', () => {
    const events = modelHistory(2)
    const again = fromJsonLines([...toJsonLines(events)].join(''))
    expect(again).toEqual(events)
    expect(checkHistory(again, lossless)).toEqual(checkHistory(events, lossless))
  })
})

describe('the checker of systems without positions', () => {
  const base = { room: 'red', recovered: true, messages: [], position: { epoch: '', offset: 0 } }
  let t = 0
  const next = (): number => {
    t += 10
    return t
  }
  const joined = (client: string, recovered = false): HistoryEvent => ({
    ...base,
    type: 'joined',
    client,
    recovered,
    t: next(),
  })
  const sent = (id: string): HistoryEvent[] => [
    { type: 'send', client: 'x', room: 'red', id, t: next() },
    { ...base, type: 'acked', client: 'x', id, duplicate: false, t: next() },
  ]
  const saw = (client: string, id: string): HistoryEvent => ({
    type: 'message',
    client,
    room: 'red',
    epoch: '',
    offset: 0,
    at: 0,
    id,
    t: next(),
  })
  const gone = (client: string): HistoryEvent => ({
    type: 'disconnected',
    client,
    reason: 'transport close',
    t: next(),
  })

  it('counts what a member missed, what was repeated, and where orders differ', () => {
    const events = [
      joined('a'),
      joined('b'),
      ...sent('1'),
      ...sent('2'),
      ...sent('3'),
      ...['1', '2', '3'].map((id) => saw('a', id)),
      ...['2', '1', '1'].map((id) => saw('b', id)),
    ]
    expect(checkRival(events, 0)).toMatchObject({
      acked: 3,
      delivered: 5,
      lost: 1,
      repeated: 1,
      positions: 2,
      disagreements: 2,
    })
  })

  it('calls a message missed while away lost only where the client was told it recovered', () => {
    const away = [joined('a'), gone('a'), ...sent('1')]
    expect(checkRival([...away, joined('a', false)], 0)).toMatchObject({ lost: 0, missedAway: 1 })
    expect(checkRival([...away, joined('a', true)], 0)).toMatchObject({ lost: 1, missedAway: 0 })
  })
})
