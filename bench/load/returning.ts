import { setTimeout as sleep } from 'node:timers/promises'
import { createHistogram } from '../histogram.ts'
import type { LoadApi, OpenReturning, Recovery } from './api.ts'
import { type Client, openClient } from './client.ts'
import { micros } from './clock.ts'
import { inParallel } from './in-parallel.ts'
import { countIn, type Tally } from './tally.ts'
import type { Target } from './wire.ts'

/** What outlives a connection: a browser tab, say. */
interface Visitor {
  index: number
  room: string
  home: number
  client: Client | undefined
  /** Of the last message, as it was given (`position`). */
  position: unknown
  /** Of Socket.IO's connection state recovery (`session`). */
  pid: string | undefined
  lastOffset: string | undefined
  /** Number of the last message of the room's one sender. */
  seen: number
  skipped: number
  repeated: number
  startedOver: number
  attempts: number
  joined: boolean
  /** Told after every packet that may have changed something. */
  changed: () => void
}

interface RoomMessage {
  epoch?: string
  offset?: number
  at?: number
  body: string
}

interface JoinReply {
  ok: boolean
  position?: unknown
  recovered?: boolean
  messages?: RoomMessage[]
  error?: { code: string; retryAfterMs?: number }
}

/** As socket.io-client does by default: from 1 s, doubled, to 5 s, each half as long or half more. */
const RECONNECT_FIRST_MS = 1000
const RECONNECT_MAX_MS = 5000

/** Clients that are cut off, miss something, come back and want it. They read everything they get. */
export function createReturning(): Pick<LoadApi, 'openReturning' | 'seen' | 'cut' | 'comeBack'> {
  let visitors: Visitor[] = []
  let targets: readonly Target[] = []
  let recovery: Recovery = 'none'
  let away = false
  let retries: Tally = {}

  function take(visitor: Visitor, { epoch, offset, at, body }: RoomMessage): void {
    if (offset !== undefined) visitor.position = { epoch, offset, at }
    const number = Number(body.slice(20, 28))
    if (number <= visitor.seen) {
      visitor.repeated += 1
      return
    }
    visitor.skipped += number - visitor.seen - 1
    visitor.seen = number
  }

  function join(visitor: Visitor): void {
    const since = recovery === 'position' ? visitor.position : undefined
    visitor.client?.request(1, 'room:join', JSON.stringify({ room: visitor.room, since }))
  }

  function joined(visitor: Visitor, reply: JoinReply): void {
    if (!reply.ok) {
      countIn(retries, reply.error?.code ?? 'refused')
      setTimeout(() => join(visitor), reply.error?.retryAfterMs ?? RECONNECT_FIRST_MS)
      return
    }
    for (const message of reply.messages ?? []) take(visitor, message)
    if (visitor.position !== undefined && reply.recovered === false) visitor.startedOver += 1
    if (reply.position !== undefined) visitor.position = reply.position
    visitor.joined = true
    visitor.changed()
  }

  function connect(visitor: Visitor): void {
    const auth =
      recovery === 'session' && visitor.pid !== undefined
        ? { pid: visitor.pid, offset: visitor.lastOffset }
        : { session: `visitor-${process.pid}-${visitor.index}` }
    visitor.joined = false
    visitor.attempts += 1
    let retryAfterMs: number | undefined
    visitor.client = openClient(targets[visitor.home % targets.length] as Target, auth, {
      connected(json) {
        const { pid } = JSON.parse(json) as { pid?: string }
        // The same pid: rooms and packets are restored by the server.
        const restored = pid !== undefined && pid === visitor.pid
        visitor.pid = pid
        if (!restored) return join(visitor)
        visitor.joined = true
        visitor.changed()
      },
      message(buffer, start, end) {
        const [, message, offset] = JSON.parse(buffer.toString('utf8', start + 2, end)) as [
          string,
          RoomMessage,
          string?,
        ]
        visitor.lastOffset = offset
        take(visitor, message)
        visitor.changed()
      },
      reply(_id, buffer, start, end) {
        const [reply] = JSON.parse(buffer.toString('utf8', start, end)) as [JoinReply]
        joined(visitor, reply)
      },
      event(json) {
        const [name, detail] = JSON.parse(json) as [string, { retryAfterMs?: number }?]
        if (name === 'gateway:bye') retryAfterMs = detail?.retryAfterMs
      },
      closed(reason) {
        if (away) return
        countIn(retries, reason)
        const pause = Math.min(RECONNECT_FIRST_MS * 2 ** (visitor.attempts - 1), RECONNECT_MAX_MS)
        setTimeout(() => connect(visitor), retryAfterMs ?? pause * (0.5 + Math.random()))
      },
    })
  }

  /** Resolves when `done` holds; false if it does not in time. */
  function until(visitor: Visitor, done: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(false), timeoutMs)
      function settle(result: boolean): void {
        clearTimeout(timer)
        visitor.changed = () => undefined
        resolve(result)
      }
      visitor.changed = () => done() && settle(true)
      visitor.changed()
    })
  }

  return {
    async openReturning(request: OpenReturning) {
      const took = createHistogram()
      const failed: Tally = {}
      const { rooms, count, concurrency } = request
      recovery = request.recovery
      targets = request.targets
      away = false
      visitors = Array.from({ length: count }, (_, index) => ({
        ...{
          index,
          room: rooms[index % rooms.length] ?? '',
          home: Math.floor(index / rooms.length),
        },
        ...{ client: undefined, position: undefined, pid: undefined, lastOffset: undefined },
        ...{ seen: 0, skipped: 0, repeated: 0, startedOver: 0, attempts: 0, joined: false },
        changed: () => undefined,
      }))
      await inParallel(count, concurrency, async (index) => {
        const visitor = visitors[index] as Visitor
        const started = micros()
        connect(visitor)
        if (await until(visitor, () => visitor.joined, 30_000)) took.record(micros() - started)
        else countIn(failed, 'too late')
      })
      return { opened: took.count, failed, took: took.counts() }
    },
    async seen(messages, timeoutMs) {
      const all = await Promise.all(
        visitors.map((visitor) => until(visitor, () => visitor.seen >= messages, timeoutMs)),
      )
      return all.every(Boolean)
    },
    async cut() {
      away = true
      for (const { client } of visitors) client?.destroy()
      await sleep(100)
    },
    async comeBack(messages, timeoutMs) {
      const took = createHistogram()
      const before = { skipped: sum('skipped'), repeated: sum('repeated') }
      away = false
      retries = {}
      const started = micros()
      await Promise.all(
        visitors.map(async (visitor) => {
          visitor.attempts = 0
          visitor.home += 1
          connect(visitor)
          // Those who recover nothing are back when they are in their room again.
          const done = () => visitor.joined && (recovery === 'none' || visitor.seen >= messages)
          if (await until(visitor, done, timeoutMs)) took.record(micros() - started)
        }),
      )
      const missing = visitors.reduce((total, { seen }) => total + Math.max(0, messages - seen), 0)
      return {
        recovered: took.count,
        took: took.counts(),
        lost: missing + sum('skipped') - before.skipped,
        repeated: sum('repeated') - before.repeated,
        startedOver: sum('startedOver'),
        retries,
      }
    },
  }

  function sum(of: 'skipped' | 'repeated' | 'startedOver'): number {
    return visitors.reduce((total, visitor) => total + visitor[of], 0)
  }
}
