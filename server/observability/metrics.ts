import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { createLoopDelayMeter } from './loop-delay.ts'

/** Second boundaries for things a person waits for, from a blink to a lunch break. */
const GAP_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
/** From a look into memory to a slow classifier. */
const CACHE_SECONDS = [1e-6, 1e-5, 1e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
const ROUND_TRIP_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2]

/** Every metric there is: `roomwire_*`, base units, labels of few values and never an id. */
export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  defaultMetrics(registry)
  const registers = [registry]

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name: `roomwire_${name}`, help, labelNames: [...labelNames], registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `roomwire_${name}`, help, labelNames: [...labelNames], registers })
  const seconds = <L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[],
  ) =>
    new Histogram({
      name: `roomwire_${name}_seconds`,
      help,
      buckets,
      labelNames: [...labelNames],
      registers,
    })

  const scrapes: (() => void)[] = []
  new Gauge({
    name: 'roomwire_uptime_seconds',
    help: 'Age of this process.',
    registers,
    collect() {
      this.set(performance.now() / 1000)
      for (const read of scrapes) read()
    },
  })

  return {
    registry,
    loopDelay: createLoopDelayMeter(registry),
    /** Reads values that are derived rather than counted, at every scrape. */
    onScrape: (read: () => void) => void scrapes.push(read),
    connections: gauge('connections', 'Open connections.', ['transport']),
    connectionsOpened: counter('connections_opened_total', 'Connections accepted.', ['transport']),
    disconnects: counter('disconnects_total', 'Connections that ended, by reason.', ['reason']),
    reconnections: counter(
      'reconnections_total',
      'Connections of a session that was here before: why its last one ended and where it was.',
      ['cause', 'instance'],
    ),
    reconnectionGap: seconds(
      'reconnection_gap',
      'From the end of a session’s connection, where it was seen, to its next one; 0 where that began before.',
      GAP_SECONDS,
      [],
    ),
    comebackOutcomes: counter(
      'reconnection_outcomes_total',
      'Reconnections by what they came to within 10 s, the worst of their rooms: reset, replayed (messages had been missed), resumed (none had), none (no room was resumed); and by the transport they had by then.',
      ['outcome', 'transport'],
    ),
    reconnectionAttempts: new Histogram({
      name: 'roomwire_reconnection_attempts',
      help: 'Attempts that a reconnection took, as far as clients tell.',
      buckets: [1, 2, 3, 5, 10, 20, 50],
      registers,
    }),
    resumes: counter('resumes_total', 'Joins with a position.', ['outcome']),
    replayed: counter('messages_replayed_total', 'Messages that resumes brought back.', []),
    sends: counter('sends_total', 'room:send by outcome: stored, duplicate or an error code.', [
      'outcome',
    ]),
    duplicates: counter(
      'duplicates_total',
      'Messages that were not stored since they were known: retry (the id came again to this instance), cross_instance (another one had stored it), idempotency_key, content (CONTENT_DEDUP_WINDOW).',
      ['cause'],
    ),
    duplicatesCluster: gauge(
      'duplicates_cluster',
      'The same, of all instances and over restarts, as far as they have added it up.',
      ['cause'],
    ),
    sendDuration: seconds(
      'send_duration',
      'From room:send to its acknowledgement.',
      ROUND_TRIP_SECONDS,
      [],
    ),
    deliveries: counter('deliveries_total', 'Messages handed to members’ connections.', []),
    gapsFilled: counter('gaps_filled_total', 'Gaps that were filled from the log.', []),
    gapMessages: counter('gap_messages_total', 'Messages fetched to fill gaps.', []),
    fillFailures: counter('fill_failures_total', 'Fetches from the log that failed.', []),
    resets: counter('room_resets_total', 'Rooms whose members were told to start over.', [
      'reason',
    ]),
    localRooms: gauge('local_rooms', 'Rooms this instance is subscribed to.', []),
    roomMembers: gauge('room_members', 'Memberships on this instance.', []),
    roomsBehind: gauge('rooms_behind', 'Local rooms with a gap that is not filled yet.', []),
    webhooks: counter(
      'webhooks_total',
      'Calls of WEBHOOK_URL: delivered, retried, refused (4xx), dropped (the queue was full), given_up.',
      ['outcome'],
    ),
    ignored: counter('requests_ignored_total', 'Requests without an acknowledgement.', ['event']),
    refused: counter('requests_refused_total', 'Requests answered with an error.', [
      'event',
      'code',
    ]),
    expelled: counter('expelled_total', 'Connections ended for who they are or what they did.', [
      'code',
    ]),
    accessFailures: counter(
      'access_failures_total',
      'Failures to read revocations or the issuer’s keys, or to ask who may do what.',
      ['what'],
    ),
    packetsRefused: counter('packets_refused_total', 'Connections ended by a packet.', ['reason']),
    overloadLevel: gauge(
      'overload_level',
      'What is given up to keep up. 0: nothing, 1: volatile events, 2: half of what may wait for a slow client, 3: newcomers.',
      [],
    ),
    shed: counter('shed_total', 'Events dropped while overloaded.', ['what']),
    connectsWaiting: gauge('connects_waiting', 'Handshakes that wait to be admitted.', []),
    connectsRefused: counter(
      'connects_refused_total',
      'Handshakes refused with 503: too many connections, a full queue, or too long a wait.',
      ['reason'],
    ),
    producerCommands: counter(
      'producer_commands_total',
      'What backends asked of connections through Redis: emit, join, leave, disconnect, notify.',
      ['producer', 'kind'],
    ),
    producerRefused: counter(
      'producer_refused_total',
      'What they published and was not obeyed: too_large, pickle, malformed, unsupported, event, namespace, failed, server.',
      ['producer', 'reason'],
    ),
    redisUp: gauge('redis_up', '1 while the probe of a role goes round.', ['role']),
    redisErrors: counter('redis_errors_total', 'Failures of Redis by role and kind.', [
      'role',
      'kind',
    ]),
    redisOutages: counter('redis_outages_total', 'Times the probe of a role stopped going round.', [
      'role',
    ]),
    redisCertificateExpiry: gauge(
      'redis_certificate_expiry_timestamp_seconds',
      'When the certificate ends that the Redis of a role shows, in seconds since 1970; read every six hours.',
      ['role'],
    ),
    redisRotations: counter(
      'redis_rotations_total',
      'New passwords by role and outcome: accepted, refused (at every attempt), unreadable (the file).',
      ['role', 'outcome'],
    ),
    redisProbe: seconds(
      'redis_probe',
      'A write, and a nonce published and received back.',
      ROUND_TRIP_SECONDS,
      ['role'],
    ),
    healthStatus: gauge(
      'health_status',
      '1 for what GET /health says: ok, degraded, starting or draining.',
      ['status'],
    ),
    durability: gauge(
      'durability',
      '1 for what an acknowledged message survives: durable (Redis as it persists), best-effort (Redis may evict it, or does not say) or memory.',
      ['level'],
    ),
    cacheAnswers: counter(
      'cache_answers_total',
      'What the cache was asked for, by where the answer came from: memory, redis, stale (served at once, computed anew), shared (somebody here was computing it), computed, failed.',
      ['outcome'],
    ),
    cacheLevel: seconds('cache_level', 'How long a level of the cache took.', CACHE_SECONDS, [
      'level',
    ]),
    cacheEntries: gauge('cache_entries', 'Values that the cache holds in memory.', []),
    cacheBytes: gauge('cache_bytes', 'What they take, about.', []),
    classifications: counter(
      'classifications_total',
      'Stored messages with a text, by what became of their labels: labelled, none, gone, skipped, failed.',
      ['outcome'],
    ),
    labelDelay: seconds(
      'label_delay',
      'From the time a message was stored until its labels were.',
      ROUND_TRIP_SECONDS,
      [],
    ),
    classifierCalls: counter('classifier_calls_total', 'Calls of the classifier, by outcome.', [
      'outcome',
    ]),
    classifierCall: seconds('classifier_call', 'How long they took.', ROUND_TRIP_SECONDS, []),
    classifierOpen: gauge(
      'classifier_breaker_open',
      '1 while the classifier is not asked because it failed.',
      [],
    ),
    unhandled: counter('unhandled_errors_total', 'Rejections nobody handled: a bug.', []),
  }
}

/** prom-client's, of the process and the runtime, but for the event loop's delay, which is ours. */
function defaultMetrics(registry: Registry): void {
  // Its monitor cannot be left out; with this resolution it never wakes the process.
  const eventLoopMonitoringPrecision = 2 ** 30
  collectDefaultMetrics({ register: registry, prefix: 'roomwire_', eventLoopMonitoringPrecision })
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.includes('eventloop_lag')) registry.removeSingleMetric(name)
  }
}
