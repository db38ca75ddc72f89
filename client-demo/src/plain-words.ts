import type { RoomwireError, Status } from '../../client/connect.ts'
import type { Deliveries } from './deliveries.ts'
import type { Recovery } from './open-room.ts'

/** Everything that the wire says in codes, as people would say it. */

const STATES: Record<Status['state'], string> = {
  connecting: 'Connecting',
  live: 'Live',
  degraded: 'Degraded',
  resuming: 'Catching up',
  offline: 'Offline',
}

export const stateText = ({ state }: Status): string => STATES[state]

export function transportText({ transport }: Status): string {
  if (transport === 'websocket') return 'WebSocket'
  return transport === 'polling' ? 'HTTP polling' : (transport ?? '–')
}

/** How long Redis itself keeps it is for operators to know (`/ops`). */
const STORAGES = {
  durable: 'In Redis',
  'best-effort': 'In Redis, may be evicted',
  memory: 'In memory',
}

export const storageText = ({ durability }: Status): string =>
  durability ? STORAGES[durability] : '–'

/** Why a gateway cannot reach its store: the kinds of docs/PROTOCOL.md, after `redis_`. */
const STORE_TROUBLES: [RegExp, string][] = [
  [/redis_(timeout|loading)/, 'its message store does not answer in time'],
  [/redis_(noauth|wrongpass|noperm)/, 'its message store does not let it in'],
  [/redis_(refused|unreachable|dns|closed|tls)/, 'it cannot reach its message store'],
  [/redis_(readonly|oom|misconf|replicas|maxclients|cluster)/, 'its message store takes no writes'],
]

export function storeTrouble(message: string): string {
  return STORE_TROUBLES.find(([kind]) => kind.test(message))?.[1] ?? 'it has no message store'
}

/** An outbox in memory ends with its tab, as over plain HTTP. */
const untilBack = ({ storage }: Status): string =>
  storage === 'memory'
    ? 'What you write waits in this tab and is sent once you are back: keep it open.'
    : 'What you write is kept and sent once you are back.'

const untilOver = ({ storage }: Status): string =>
  storage === 'memory'
    ? 'Messages wait in this tab until that is over: keep it open.'
    : 'Messages wait here until that is over; none is lost.'

/** What a visitor has to know while not everything is well; empty when it is. */
export function noticeText(status: Status, paused: boolean): string {
  const { state, error } = status
  switch (state) {
    case 'live':
    case 'resuming':
      return ''
    case 'degraded':
      return `The gateway is in trouble: ${storeTrouble(error?.message ?? '')}. ${untilOver(status)}`
    case 'connecting':
      return error ? `${connectingText(error)} ${untilBack(status)}` : ''
    case 'offline':
      return `${offlineText(error, paused)} ${untilBack(status)}`
  }
}

function connectingText({ code }: RoomwireError): string {
  switch (code) {
    case 'DRAINING':
      return 'This instance is being stopped: moving to another one.'
    case 'OVERLOADED':
    case 'RATE_LIMITED':
      return 'The gateway is busy: trying again in a moment.'
    case 'TIMEOUT':
      return 'The gateway does not answer: trying again.'
    default:
      return 'The connection is lost: trying again.'
  }
}

/** Most of what can be wrong is said as a predicate: `token: has expired`. */
const tokenTrouble = (message: string): string =>
  message.replace(/^token: (?=(is|has|was|lacks) )/, 'the token ')

function offlineText(error: RoomwireError | undefined, paused: boolean): string {
  if (paused) return 'You went offline.'
  switch (error?.code) {
    case undefined:
    case 'OFFLINE':
      return 'This device has no network.'
    case 'UNAUTHORIZED':
      return `The gateway does not let you in: ${tokenTrouble(error?.message ?? '')}. With a token, open this page as …/#token=<token>.`
    case 'FORBIDDEN':
      return 'The gateway does not let you in.'
    default:
      return 'The gateway ended this connection for good.'
  }
}

/** Why a message or a room was refused. What the gateway says itself is for people already. */
export function refusalText({ code, message }: RoomwireError): string {
  switch (code) {
    case 'TOO_LARGE':
      return `too long (${message})`
    case 'FORBIDDEN':
      return 'you may not do that here'
    case 'OUTBOX_FULL':
      return 'too much is waiting to be sent'
    case 'LIMIT_REACHED':
      return 'you are in too many rooms'
    default:
      return message
  }
}

export function recoveryText(recovery: Recovery): string {
  if (recovery.kind === 'reset') return 'History was reset'
  if (recovery.messages === 0) return 'Nothing was missed'
  return `Resumed ${counted(recovery.messages, 'message')}`
}

/** What came out of line was mended before it was shown. */
export function deliveriesText({ repeats, holes }: Pick<Deliveries, 'repeats' | 'holes'>): string {
  const mended = [
    ...(repeats > 0 ? [`${counted(repeats, 'repeat')} dropped`] : []),
    ...(holes > 0 ? [`${counted(holes, 'gap')} filled`] : []),
  ]
  return mended.join(', ') || 'In order, each once'
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`
