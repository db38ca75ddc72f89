import type { Unit } from './words.ts'

/** One line of a chart: the name of its figure, and one of the six colours. */
export interface Line {
  figure: string
  label: string
  colour: 1 | 2 | 3 | 4 | 5 | 6
  /** Drawn in dashes: the same over all instances. */
  all?: true
}

export interface ChartSpec {
  id: string
  title: string
  /** What is seen here, in one sentence. */
  says: string
  unit: Unit
  lines: readonly Line[]
  /** Single seconds have to be seen: there may be none beside them. */
  dots?: true
  /** Figures that are 0 during an outage, which is shaded. */
  outages?: readonly string[]
}

/** The charts in the order they are looked at. `docs/OPERATIONS.md` says what to do about each. */
export const charts: readonly ChartSpec[] = [
  {
    id: 'connections',
    title: 'Connections',
    says: 'Open connections. A fall here, and none in all instances, is a move to another one.',
    unit: 'count',
    lines: [
      { figure: 'connections', label: 'here', colour: 1 },
      { figure: 'connectionsAll', label: 'all instances', colour: 2, all: true },
    ],
  },
  {
    id: 'in',
    title: 'Messages in',
    says: 'Messages stored per second; repeats are not among them.',
    unit: 'rate',
    lines: [
      { figure: 'stored', label: 'here', colour: 1 },
      { figure: 'storedAll', label: 'all instances', colour: 2, all: true },
    ],
  },
  {
    id: 'out',
    title: 'Messages out',
    says: 'Messages handed to members’ connections per second.',
    unit: 'rate',
    lines: [
      { figure: 'delivered', label: 'here', colour: 1 },
      { figure: 'deliveredAll', label: 'all instances', colour: 2, all: true },
    ],
  },
  {
    id: 'send',
    title: 'Send latency',
    says: 'From a send to its acknowledgement, here.',
    unit: 'ms',
    dots: true,
    lines: [
      { figure: 'sendP50', label: 'p50', colour: 1 },
      { figure: 'sendP95', label: 'p95', colour: 2 },
      { figure: 'sendP99', label: 'p99', colour: 3 },
    ],
  },
  {
    id: 'reconnections',
    title: 'Reconnections',
    says: 'Sessions that came back here per second, by why they had gone.',
    unit: 'rate',
    lines: [
      { figure: 'back_transport_close', label: 'connection lost', colour: 1 },
      { figure: 'back_ping_timeout', label: 'pings missed', colour: 2 },
      { figure: 'back_drain', label: 'handed over', colour: 3 },
      { figure: 'back_slow_client', label: 'cut, too slow', colour: 4 },
      { figure: 'back_unknown', label: 'end not seen (a crash)', colour: 5 },
      { figure: 'back_other', label: 'other', colour: 6 },
    ],
  },
  {
    id: 'resumes',
    title: 'Resumes and repeats',
    says: 'Joins with a position, and sends that were known already, per second, here.',
    unit: 'rate',
    lines: [
      { figure: 'resumed', label: 'resumed', colour: 1 },
      { figure: 'reset', label: 'had to start over', colour: 3 },
      { figure: 'duplicates', label: 'repeats suppressed', colour: 2 },
    ],
  },
  {
    id: 'redis',
    title: 'Redis',
    says: 'How long a probe takes; shaded while a role is down.',
    unit: 'ms',
    dots: true,
    outages: ['redisRooms', 'redisCache'],
    lines: [
      { figure: 'probeRooms', label: 'rooms', colour: 1 },
      { figure: 'probeCache', label: 'cache', colour: 2 },
    ],
  },
  {
    id: 'cache',
    title: 'Cache',
    says: 'Answers of the cache per second, here, by where they came from.',
    unit: 'rate',
    lines: [
      { figure: 'cacheMemory', label: 'memory', colour: 1 },
      { figure: 'cacheRedis', label: 'Redis', colour: 2 },
      { figure: 'cacheShared', label: 'being computed here', colour: 3 },
      { figure: 'cacheComputed', label: 'computed', colour: 4 },
    ],
  },
  {
    id: 'loop',
    title: 'Event-loop lag',
    says: 'How late this process gets to what is due.',
    unit: 'ms',
    lines: [
      { figure: 'loopMean', label: 'mean', colour: 1 },
      { figure: 'loopP99', label: 'p99', colour: 2 },
      { figure: 'loopMax', label: 'longest', colour: 3 },
    ],
  },
]
