import { type Comeback, createComebacks } from './comebacks.ts'
import type { DuplicateCause } from './duplicate-store.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { OperatorNotes } from './operator-notes.ts'
import { rarely } from './rarely.ts'

/**
 * Why a session's former connection ended: `instance_died` with its instance, `unknown` where nobody
 * saw it end.
 */
export interface Reconnection {
  cause: string
  sameInstance: boolean
  /** Undefined where the end was not seen, as after a crash. */
  gapMs: number | undefined
  /** How many attempts it took, where the client tells. */
  attempts: number | undefined
}

/** Causes are read from a store that others may write to: as a label there are so many at most (D8). */
const MAX_CAUSES = 30

/** Any page may say one. */
const MAX_SHOWN_ORIGIN = 200

const RESET_CAUSES: Readonly<Record<string, string>> = {
  trimmed: 'more came than its log keeps, while this instance could not read it',
  broken: 'its log does not contain what members have seen: Redis has lost messages',
  foreign:
    'its log has begun anew: Redis has lost it, it was deleted, or another instance found it broken',
}

/** Where a log line belongs: the connection, never the session, which is a secret. */
export interface ConnectionIds {
  connection: string
  user: string
}

/** What happens in a gateway, one function each: a metric, and a log line where somebody will look for it. */
export type Events = ReturnType<typeof createEvents>

export function createEvents(deps: { logger: Logger; metrics: Metrics; notes: OperatorNotes }) {
  const { logger, metrics, notes } = deps
  // What comes with every connection is not even put together for a level that is off.
  const debugging = () => logger.isLevelEnabled('debug')
  // Those that alerts count: a counter that begins with its first event shows no increase.
  metrics.disconnects.inc({ reason: 'slow_client' }, 0)
  for (const outcome of ['recovered', 'reset']) metrics.resumes.inc({ outcome }, 0)
  for (const outcome of ['stored', 'duplicate']) metrics.sends.inc({ outcome }, 0)
  for (const reason of ['trimmed', 'broken', 'foreign']) metrics.resets.inc({ reason }, 0)
  const comebacks = createComebacks(metrics)
  const causes = new Set<string>()
  const packetLine = rarely((unsaid, ids: ConnectionIds, reason: string) =>
    logger.info({ ...ids, reason, unsaid }, 'connection ended by its packet'),
  )
  const resetLine = rarely((unsaid, room: string, reason: string, members: number) =>
    logger.warn({ room, reason, members, unsaid }, `room reset: ${RESET_CAUSES[reason] ?? reason}`),
  )
  const originLine = rarely((unsaid, origin: string) =>
    logger.info(
      { origin, unsaid },
      'a page was refused: CORS_ALLOW_ORIGIN does not name its origin, which is not ours either',
    ),
  )
  const webhookLine = rarely((unsaid, outcome: string, cause: string | undefined) =>
    logger.warn({ outcome, cause, unsaid }, 'a webhook was not delivered'),
  )
  return {
    connected(ids: ConnectionIds, transport: string): void {
      metrics.connections.inc({ transport })
      metrics.connectionsOpened.inc({ transport })
      if (debugging()) logger.debug({ ...ids, transport }, 'connected')
    },
    upgraded(from: string, to: string): void {
      metrics.connections.dec({ transport: from })
      metrics.connections.inc({ transport: to })
    },
    disconnected(ids: ConnectionIds, transport: string, reason: string): void {
      metrics.connections.dec({ transport })
      metrics.disconnects.inc({ reason: label(reason) })
      if (reason === 'slow_client') notes.slowClientCut()
      comebacks.ended(ids)
      if (debugging()) logger.debug({ ...ids, transport, reason }, 'disconnected')
    },
    reconnected(ids: ConnectionIds, reconnection: Reconnection, comeback: Comeback): void {
      const { cause, sameInstance, gapMs, attempts } = reconnection
      if (causes.size < MAX_CAUSES) causes.add(label(cause))
      metrics.reconnections.inc({
        cause: causes.has(label(cause)) ? label(cause) : 'other',
        instance: sameInstance ? 'same' : 'other',
      })
      if (gapMs !== undefined) metrics.reconnectionGap.observe(gapMs / 1000)
      if (attempts !== undefined) metrics.reconnectionAttempts.observe(attempts)
      comebacks.returned(ids, comeback)
      if (!debugging()) return
      const { transport } = comeback
      logger.debug({ ...ids, cause, sameInstance, gapMs, attempts, transport }, 'reconnected')
    },
    joined(
      ids: ConnectionIds,
      room: string,
      resume: 'none' | 'recovered' | 'reset',
      messages: number,
    ): void {
      if (resume !== 'none') {
        metrics.resumes.inc({ outcome: resume })
        comebacks.resumed(ids, resume === 'recovered', messages)
      }
      if (resume === 'recovered') metrics.replayed.inc(messages)
      if (!logger.isLevelEnabled('trace')) return
      logger.trace({ ...ids, room, resume, messages }, 'joined')
    },
    /** @param repeat why it was not stored; undefined: it was */
    sent(repeat: DuplicateCause | undefined, durationMs: number): void {
      metrics.sends.inc({ outcome: repeat === undefined ? 'stored' : 'duplicate' })
      if (repeat !== undefined) metrics.duplicates.inc({ cause: repeat })
      metrics.sendDuration.observe(durationMs / 1000)
    },
    refused(ids: ConnectionIds, event: string, code: string, cause: unknown): void {
      metrics.refused.inc({ event, code })
      if (event === 'room:send') metrics.sends.inc({ outcome: code })
      if (code === 'INTERNAL') logger.error({ ...ids, event, err: cause }, 'request failed')
      else logger.debug({ ...ids, event, code }, 'request refused')
    },
    /** Over a limit on arrival, several at once: these come in floods. */
    refusedEarly(event: string, count: number): void {
      metrics.refused.inc({ event, code: 'RATE_LIMITED' }, count)
      if (event === 'room:send') metrics.sends.inc({ outcome: 'RATE_LIMITED' }, count)
    },
    ignored(event: string): void {
      metrics.ignored.inc({ event })
    },
    packetRefused(ids: ConnectionIds, reason: string): void {
      metrics.packetsRefused.inc({ reason: label(reason) })
      packetLine(ids, reason)
    },
    delivered(count: number): void {
      metrics.deliveries.inc(count)
    },
    filled(room: string, entries: number): void {
      metrics.gapsFilled.inc()
      metrics.gapMessages.inc(entries)
      logger.debug({ room, entries }, 'gap filled')
    },
    fillFailed(room: string, error: unknown): void {
      metrics.fillFailures.inc()
      logger.debug({ room, err: error }, 'fill failed')
    },
    reset(room: string, reason: string, members: number): void {
      metrics.resets.inc({ reason })
      notes.roomReset(room, reason, members)
      resetLine(room, reason, members)
    },
    /** Of the server API, from their file; `line` from 1. */
    apiKeysLoaded(keys: number, problems: readonly { line: number; message: string }[]): void {
      logger.info({ keys }, 'API keys loaded')
      for (const { line, message } of problems) {
        logger.error({ line }, `API_KEYS_FILE: line ${line} ${message}; it is left out`)
      }
    },
    apiKeysUnreadable(code: string): void {
      logger.error({ code }, 'API_KEYS_FILE cannot be read; the keys from before go on')
    },
    /** A call of WEBHOOK_URL, or one that was not made. */
    webhook(outcome: string, cause?: string): void {
      metrics.webhooks.inc({ outcome })
      if (outcome !== 'delivered' && outcome !== 'retried') webhookLine(outcome, cause)
    },
    webhookSecretChanged(): void {
      logger.info('WEBHOOK_SECRET_FILE holds another secret: calls are signed with it from now on')
    },
    webhookSecretUnusable(reason: string): void {
      logger.warn({ reason }, 'WEBHOOK_SECRET_FILE cannot be used; the secret from before goes on')
    },
    /** @param origin of the page, where that is why: whoever set up the page looks here */
    handshakeRefused(reason: string, origin?: string): void {
      metrics.packetsRefused.inc({ reason: label(reason) })
      if (origin !== undefined) originLine(origin.slice(0, MAX_SHOWN_ORIGIN))
      else logger.debug({ reason }, 'handshake refused')
    },
  }
}

/** A metric label from a library's words: `transport close` → `transport_close`. */
function label(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 40)
}
