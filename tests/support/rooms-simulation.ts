import { vi } from 'vitest'
import { GatewayError } from '../../server/errors.ts'
import { createRooms } from '../../server/rooms/rooms.ts'
import { createRandom } from '../chaos/random.ts'
import { createMemoryLogs } from './memory-logs.ts'
import { createPerson, createPersonOutlet, type Person } from './simulated-person.ts'
import { damageRoom } from './store-damage.ts'
import { createTroublesomeLog, type Trouble, type TroublesomeLog } from './troublesome-log.ts'

export interface SimulationOptions {
  seed: number
  steps: number
  trouble: Trouble
  /** Lines to the store break and come back. */
  interruptions: boolean
  /** The store itself loses, forgets and rolls back what it had. */
  damage: boolean
}

export interface SimulationResult {
  /** What broke the contract, in words; empty if nothing did. */
  problems: string[]
  /** How often things happened: a run in which something never did proves little. */
  counts: Record<Counted, number>
}

type Counted =
  | 'acknowledged'
  | 'refused'
  | 'delivered'
  | 'resumes'
  | 'notRecovered'
  | 'resets'
  | 'refusedJoins'
  | 'interruptions'
  | 'damages'

const INSTANCES = 3
const ROOMS = ['red', 'blue']
const PEOPLE = 12
const RESUME_MAX = 40
const LINGER_MS = 40
/** Long enough for what is under way to arrive, frames and the fills they cause. */
const SETTLE_MS = 1000

/**
 * Instances over one memory store, each behind a line of its own that delays, loses, repeats and
 * refuses; people who come, go, and send. Needs fake timers: time passes only here, so that the seed
 * decides everything. In the end the trouble stops, and what everybody saw is held against the store.
 */
export async function simulateRooms(options: SimulationOptions): Promise<SimulationResult> {
  const random = createRandom(options.seed)
  vi.spyOn(Math, 'random').mockImplementation(random.fork(1).next)
  const problems: string[] = []
  const counts: SimulationResult['counts'] = {
    acknowledged: 0,
    refused: 0,
    delivered: 0,
    resumes: 0,
    notRecovered: 0,
    resets: 0,
    refusedJoins: 0,
    interruptions: 0,
    damages: 0,
  }
  const count = (what: Counted) => {
    counts[what] += 1
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  const { store, open: openStore } = createMemoryLogs()
  const outsider = openStore()
  const instances = Array.from({ length: INSTANCES }, (_, index) => {
    const inner = openStore()
    const log = createTroublesomeLog(inner, random.fork(10 + index), options.trouble)
    const rooms = createRooms({
      log,
      outlet: createPersonOutlet(),
      observer: { filled: () => undefined, fillFailed: () => undefined, reset: () => undefined },
      options: {
        ringCapacity: 8,
        ringBudgetBytes: 2000,
        resumeMax: RESUME_MAX,
        pageSize: 5,
        lingerMs: LINGER_MS,
        // Where nothing breaks nothing may depend on checks.
        verifyEveryMs: options.interruptions ? 5000 : 1e9,
      },
    })
    return { inner, log, rooms }
  })
  const people = Array.from({ length: PEOPLE }, (_, index) =>
    createPerson({
      id: `p${index}`,
      room: random.pick(ROOMS),
      mayStartOver: options.damage,
      resumeMax: RESUME_MAX,
      count,
      problem: (words) => problems.push(words),
    }),
  )
  /** Acknowledged messages as `<room> <id>`. */
  const acknowledged = new Set<string>()
  let ids = 0

  /** Comes (back) to an instance, or asks again as a member: from where they are or from earlier. */
  function comeIn(person: Person): void {
    if (person.joining) return
    person.rooms ??= random.pick(instances).rooms
    const { rooms } = person
    const from = person.member && random.chance(0.5) ? person.earlier(random) : person.place
    const since = random.chance(0.8) ? from : undefined
    // Sometimes the connection ends while the join is under way.
    const stays = !random.chance(0.1)
    person.joining = true
    rooms
      .join(
        person,
        { room: person.room, since, limit: random.int(0, 12) },
        (admission) => person.admitted(since, admission),
        () => stays && person.rooms === rooms,
      )
      .catch((error: unknown) => {
        count('refusedJoins')
        if (!(error instanceof GatewayError)) problems.push(`join: ${String(error)}`)
      })
      .finally(() => {
        person.joining = false
        if (!stays) goAway(person)
      })
  }

  function goAway(person: Person): void {
    person.rooms?.leaveAll(person)
    person.rooms = undefined
    person.member = false
  }

  function leave(person: Person): void {
    if (person.joining) return // the edge lets joins end first
    person.rooms?.leave(person, person.room)
    person.member = false
  }

  /** A new message, or an earlier one again, through any instance. */
  function send(): void {
    const id = `m${random.chance(0.2) && ids > 0 ? random.int(1, ids) : ++ids}`
    // Of each id there is one message, in one room.
    const room = ROOMS[Number(id.slice(1)) % ROOMS.length] ?? ''
    random
      .pick(instances)
      .rooms.send({ room, sender: 's', id, content: id })
      .then(
        () => {
          count('acknowledged')
          acknowledged.add(`${room} ${id}`)
        },
        (error: unknown) => {
          count('refused')
          if (!(error instanceof GatewayError)) problems.push(`send: ${String(error)}`)
        },
      )
  }

  async function damage(): Promise<void> {
    count('damages')
    const name = random.pick(ROOMS)
    await damageRoom(store, name, random, {
      log: outsider,
      async rewrite(messages) {
        for (const { log } of instances) log.interrupt()
        await pass(1)
        for (let index = 0; index < messages; index += 1) {
          const id = `m${++ids}`
          await outsider.append({ room: name, sender: 's', id, content: id })
        }
        for (const { log } of instances) log.restore()
      },
    })
    await pass(1)
  }

  // Seeds differ in how much is sent, and in how many people are there.
  const sending = 0.35 + random.next() * 0.2
  const coming = 0.05 + random.next() * 0.25
  const going = 0.01 + random.next() * 0.07
  const actions: [number, (person: Person, log: TroublesomeLog) => unknown][] = [
    [sending, send],
    [coming, comeIn],
    [going, goAway],
    [going, leave],
  ]
  if (options.interruptions) {
    actions.push([
      0.02,
      (_person, log) => {
        count('interruptions')
        log.interrupt()
      },
    ])
    actions.push([0.05, (_person, log) => log.restore()])
  }
  if (options.damage) actions.push([0.02, damage])
  for (let step = 0; step < options.steps; step += 1) {
    const act = drawn(actions, random.next())
    await act?.(random.pick(people), random.pick(instances).log)
    if (random.chance(0.7)) await pass(random.int(0, 12))
  }

  for (const { log } of instances) {
    log.calm()
    if (options.interruptions) log.restore()
  }
  await pass(SETTLE_MS)

  for (const person of people.filter(({ member }) => member)) {
    const { tail, entries } = await outsider.read(person.room, { kind: 'last', limit: 1000 })
    person.settle({ tail, entries })
  }
  if (!options.damage) checkStore()
  await checkNothingIsLeft()
  return { problems, counts }

  function checkStore(): void {
    const stored = [...store.rooms].flatMap(([room, { entries }]) =>
      entries.map(({ content }) => `${room} ${content}`),
    )
    if (new Set(stored).size < stored.length) problems.push('an id is stored twice (D2)')
    for (const message of acknowledged) {
      if (!stored.includes(message)) problems.push(`${message} was acknowledged, not stored (D1)`)
    }
  }

  async function checkNothingIsLeft(): Promise<void> {
    for (const person of people) goAway(person)
    await pass(LINGER_MS + SETTLE_MS)
    for (const { rooms, inner } of instances) {
      const left = rooms.counts()
      if (left.rooms > 0 || left.members > 0) problems.push(`left over: ${JSON.stringify(left)}`)
      rooms.stop()
      inner.stop()
    }
    outsider.stop()
  }
}

/** The action whose share of [0, 1) the draw falls into, if any. */
function drawn<Action>(shares: readonly [number, Action][], draw: number): Action | undefined {
  let end = 0
  for (const [share, action] of shares) {
    end += share
    if (draw < end) return action
  }
  return undefined
}
