import { createRandom, type Random } from './random.ts'
import type { Topology } from './store.ts'

/** Troubles that a gateway has to survive without losing anything. */
export const FAULT_KINDS = [
  'instance-kill',
  'instance-freeze',
  'instance-stop',
  'redis-kill',
  'redis-freeze',
  'redis-cut',
  'redis-stall',
  'redis-slow',
  'pubsub-kill',
  'pubsub-limit',
  'client-drop',
  'client-stall',
] as const

/** Troubles that take acknowledged data away; what counts then is that everybody is told. */
export const LOSSY_KINDS = ['redis-flush', 'redis-restore', 'redis-truncate'] as const

/** Troubles of a cluster that lose nothing: a replica that takes over in agreement, slots that move. */
const CLUSTER_KINDS = ['cluster-fail-over', 'slot-move'] as const

/**
 * Troubles after which a replica serves. It may lack what the primary had acknowledged, unless replicas
 * had to confirm it.
 */
const FAIL_OVER_KINDS = ['primary-kill', 'primary-freeze', 'sentinel-fail-over'] as const

export type FaultKind =
  | (typeof FAULT_KINDS)[number]
  | (typeof LOSSY_KINDS)[number]
  | (typeof CLUSTER_KINDS)[number]
  | (typeof FAIL_OVER_KINDS)[number]

export const ALL_KINDS: readonly FaultKind[] = [
  ...FAULT_KINDS,
  ...LOSSY_KINDS,
  ...CLUSTER_KINDS,
  ...FAIL_OVER_KINDS,
]

/** Kinds that make sense of several servers, which are connected to directly. */
const ANYWHERE = [
  'instance-kill',
  'instance-freeze',
  'instance-stop',
  'pubsub-kill',
  'client-drop',
  'client-stall',
] as const

/** What `all` means. */
export const KINDS_OF: Record<Topology, readonly FaultKind[]> = {
  standalone: FAULT_KINDS,
  sentinel: [...ANYWHERE, ...FAIL_OVER_KINDS],
  cluster: [...ANYWHERE, ...CLUSTER_KINDS, 'primary-kill', 'primary-freeze'],
}

export function isLossy(kind: FaultKind): boolean {
  return ([...LOSSY_KINDS, ...FAIL_OVER_KINDS] as readonly string[]).includes(kind)
}

/** One planned trouble. `at` and `lastsMs` in ms, `at` from the round's start. */
export interface PlannedFault {
  kind: FaultKind
  at: number
  lastsMs: number
  /** Which instance; -1 for all of them, or where the kind has no such target. */
  instance: number
  /** Seeds whatever else the fault chooses, such as the clients it hits. */
  salt: number
}

export interface RoundPlan {
  seed: number
  /** From 0. */
  round: number
  faults: PlannedFault[]
}

export interface ScheduleOptions {
  seed: number
  rounds: number
  /** Length of a round's load, in ms. */
  lengthMs: number
  instances: number
  kinds: readonly FaultKind[]
}

/** Shortest and longest duration by kind, in ms; most are nearer to the shortest. */
const DURATIONS: Record<FaultKind, [number, number]> = {
  'instance-kill': [300, 1500],
  'instance-freeze': [800, 4000],
  'instance-stop': [300, 1500],
  'redis-kill': [300, 4000],
  'redis-freeze': [500, 7000],
  'redis-cut': [300, 7000],
  'redis-stall': [500, 7000],
  'redis-slow': [1000, 3000],
  'pubsub-kill': [100, 2000],
  'pubsub-limit': [1000, 2500],
  'client-drop': [0, 0],
  'client-stall': [1000, 5000],
  'redis-flush': [0, 0],
  'redis-restore': [300, 1500],
  'redis-truncate': [300, 1500],
  'cluster-fail-over': [0, 0],
  'slot-move': [500, 3000],
  'primary-kill': [300, 1500],
  'primary-freeze': [300, 1500],
  'sentinel-fail-over': [0, 0],
}

/** Load runs for so long before the first trouble, and after the last one has healed. */
const LEAD_MS = 1000
const TAIL_MS = 1500

/**
 * Plans every round of a run; the same options give the same plan. Kinds are dealt from a shuffled deck
 * that goes on from round to round, so that a few rounds hold them all. Most faults wait for the one
 * before to be over; some begin while it lasts, never twice on the same target. A round has at most one
 * kind that takes data away, and then nothing that hides it.
 */
export function planRounds(options: ScheduleOptions): RoundPlan[] {
  const random = createRandom(options.seed)
  const gentle = options.kinds.filter((kind) => !isLossy(kind))
  const lossy = options.kinds.filter(isLossy)
  const deal = createDeck(gentle, random)
  const dealLossy = createDeck(lossy, random)
  return Array.from({ length: options.rounds }, (_, round) => {
    const faults = planRound(options, random, gentle.length === 0 ? undefined : deal)
    if (lossy.length > 0) {
      const kind = dealLossy()
      const [shortest, longest] = DURATIONS[kind]
      const lastsMs = random.int(shortest, longest)
      const at = random.int(Math.floor(options.lengthMs * 0.4), Math.floor(options.lengthMs * 0.6))
      const clear = faults.filter(
        (fault) =>
          targetOf(fault) !== 'redis' && (fault.at + fault.lastsMs < at || fault.at > at + lastsMs),
      )
      clear.push({ kind, at, lastsMs, instance: -1, salt: random.int(0, 2 ** 31) })
      return { seed: options.seed, round, faults: clear.sort((a, b) => a.at - b.at) }
    }
    return { seed: options.seed, round, faults }
  })
}

function planRound(
  { lengthMs, instances }: ScheduleOptions,
  random: Random,
  deal: (() => FaultKind) | undefined,
): PlannedFault[] {
  const faults: PlannedFault[] = []
  if (deal === undefined) return faults
  const busyUntil = new Map<string, number>()
  let at = LEAD_MS
  while (at < lengthMs - TAIL_MS) {
    const kind = deal()
    const [shortest, longest] = DURATIONS[kind]
    const one = kind.startsWith('instance-') || (isLink(kind) && random.chance(0.6))
    const instance = one ? random.int(0, instances - 1) : -1
    const fault = { kind, at, lastsMs: 0, instance, salt: random.int(0, 2 ** 31) }
    fault.at = Math.max(at, busyUntil.get(targetOf(fault)) ?? 0)
    const wanted = Math.round(shortest + (longest - shortest) * random.next() ** 2)
    fault.lastsMs = Math.max(shortest, Math.min(wanted, lengthMs - TAIL_MS - fault.at))
    const end = fault.at + fault.lastsMs
    if (end <= lengthMs) {
      faults.push(fault)
      busyUntil.set(targetOf(fault), end + 500)
    }
    // Two in five overlap the one before.
    at = random.chance(0.4) ? fault.at + random.int(300, 800) : end + random.int(800, 1500)
  }
  return faults
}

/** What a fault occupies; two faults never hold the same thing at once. */
export function targetOf({ kind, instance }: PlannedFault): string {
  if (kind.startsWith('instance-')) return `instance ${instance}`
  if (kind.startsWith('client-')) return 'clients'
  // Neither takes data away nor hides that something does; but one at a time.
  if (kind === 'slot-move' || kind === 'cluster-fail-over') return 'cluster'
  // A proxy has one mode at a time; Redis' process and its settings stand behind it.
  return isLink(kind) ? 'link' : 'redis'
}

/** Kinds that trouble the way to Redis: of one instance, or of all. */
function isLink(kind: FaultKind): boolean {
  return kind === 'redis-cut' || kind === 'redis-stall' || kind === 'redis-slow'
}

function createDeck<Kind>(kinds: readonly Kind[], random: Random): () => Kind {
  let deck: Kind[] = []
  return () => {
    if (deck.length === 0) {
      deck = [...kinds]
      for (let last = deck.length - 1; last > 0; last -= 1) {
        const other = random.int(0, last)
        const [a, b] = [deck[last], deck[other]]
        if (a !== undefined && b !== undefined) [deck[last], deck[other]] = [b, a]
      }
    }
    const kind = deck.pop()
    if (kind === undefined) throw new Error('no kinds to deal')
    return kind
  }
}
