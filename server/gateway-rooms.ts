import type { Broker } from './broker/broker.ts'
import type { Cache } from './cache/cache.ts'
import { type Config, webhookSecret } from './config.ts'
import type { Gathering } from './edge/gathering.ts'
import { createOutlet, type SocketMember, traced } from './edge/outlet.ts'
import type { Overload } from './edge/overload.ts'
import { createWebhooks, type Webhooks } from './edge/webhooks.ts'
import { type AfterStore, extendLog } from './gateway-labels.ts'
import type { Observability } from './gateway-observability.ts'
import { createRooms, type Rooms } from './rooms/rooms.ts'
import { createRoster, type Roster } from './rooms/roster.ts'
import { holdSecret } from './secret-file.ts'

const RING_CAPACITY = 128
const RING_BUDGET_BYTES = 64 * 1024 * 1024
const FILL_PAGE = 500
const LINGER_MS = 5000
/** A client that takes nothing for this long is gone before its ping time-out says so. */
const MAX_BEHIND_MS = 15_000
/** Of the bytes that may wait for a client, what is left while the instance cannot keep up. */
const OVERLOADED_SHARE = 0.5

export interface GatewayRoomsDeps {
  broker: Pick<Broker, 'log' | 'presence' | 'occupancy'>
  cache: Cache
  observability: Observability
  overload: Overload
  gathering: Gathering
  afterStore: AfterStore | undefined
  /** A member that does not read. */
  tooSlow(member: SocketMember): void
}

/** What a room is, and who is in it: what is stored goes out to members by the outlet. */
export function createGatewayRooms(
  config: Config,
  { broker, cache, observability, overload, gathering, afterStore, tooSlow }: GatewayRoomsDeps,
): { rooms: Rooms; roster: Roster } {
  const { events, tracing } = observability
  const patience = () => (overload.level < 2 ? 1 : OVERLOADED_SHARE)
  const writing = createOutlet({
    delivered: events.delivered,
    ...{ tooSlow, gathering },
    limits: {
      get maxBacklogBytes() {
        return config.maxClientBacklogBytes * patience()
      },
      // Not less under overload: then it may be us who are late.
      maxBehindMs: MAX_BEHIND_MS,
    },
  })
  const webhooks = config.webhook && createConfiguredWebhooks(config.webhook, events)
  const roster = createRoster({
    store: broker.presence,
    options: { graceMs: config.presenceGraceMs, leaseMs: config.presenceLeaseMs },
    tell: (member, event) => (member as SocketMember).socket.emit('room:presence', event),
    ...(webhooks && {
      occupancy: {
        store: broker.occupancy,
        changed: (room, change) =>
          webhooks.send({ type: `room.${change}` as const, room, at: Date.now() }),
      },
    }),
  })
  const rooms = createRooms({
    log: extendLog(config, {
      ...{ ...observability, log: broker.log, cache, afterStore },
      overloaded: () => overload.level > 0,
    }),
    outlet: tracing === undefined ? writing : traced(writing, tracing),
    attending: {
      entered: (member, room) => roster.entered(member as SocketMember, room),
      left: (member, room, mayReturn) => roster.left(member as SocketMember, room, mayReturn),
    },
    observer: { filled: events.filled, fillFailed: events.fillFailed, reset: events.reset },
    options: {
      ringCapacity: RING_CAPACITY,
      ringBudgetBytes: RING_BUDGET_BYTES,
      resumeMax: config.resumeMax,
      pageSize: FILL_PAGE,
      lingerMs: LINGER_MS,
      labelled: config.classifier.kind !== 'off',
      // Half of the life of an idle log: whoever has members keeps it.
      verifyEveryMs: Math.min(60_000, config.roomLogTtlMs / 2),
    },
  })
  async function stop(): Promise<void> {
    webhooks?.stop()
    await roster.stop()
  }
  return { rooms, roster: { ...roster, stop } }
}

function createConfiguredWebhooks(
  { url, secret, secretFile }: NonNullable<Config['webhook']>,
  events: Observability['events'],
): Pick<Webhooks, 'send' | 'stop'> {
  const held = holdSecret({
    ...{ path: secretFile, initial: secret, parse: webhookSecret },
    changed: events.webhookSecretChanged,
    unusable: events.webhookSecretUnusable,
  })
  const webhooks = createWebhooks({ url, secret: held.current, outcome: events.webhook })
  return {
    send: webhooks.send,
    stop() {
      held.stop()
      webhooks.stop()
    },
  }
}
