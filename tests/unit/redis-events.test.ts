import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLogger } from '../../server/observability/logger.ts'
import { createMetrics } from '../../server/observability/metrics.ts'
import { createRedisEvents } from '../../server/observability/redis-events.ts'

const MINUTE = 60_000
const HINT = 'use REDIS_PASSWORD_FILE'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Line {
  msg: string
  role: string
  redis: string
  kind?: string
  failures: number
  downMs?: number
}

/** One role, its log, and a link that reports as the real one does. */
function follow(hint?: string) {
  const lines: Line[] = []
  const times: number[] = []
  const metrics = createMetrics()
  const logger = createLogger(
    { level: 'info', instance: 'test' },
    {
      write(line) {
        lines.push(JSON.parse(line))
        times.push(Date.now())
      },
    },
  )
  const events = createRedisEvents('rooms', { logger, metrics, address: 'redis:6379/0', hint })
  return {
    lines,
    times,
    metrics,
    events,
    kinds: () => lines.map(({ kind = 'ok' }) => kind),
    up: () => events.changed({ name: 'ok', since: Date.now() }),
    down(kind: string) {
      events.failed({ kind })
      const message = `what ${kind} means`
      events.changed({ name: 'down', since: Date.now(), kind, message, failures: 1 })
    },
    fails(kind: string, times: number) {
      for (let time = 0; time < times; time++) events.failed({ kind })
    },
  }
}

describe('the log of a Redis role', () => {
  test('has one line for each change of state', () => {
    const redis = follow()
    redis.up()
    redis.down('refused')
    redis.fails('refused', 500)
    vi.advanceTimersByTime(MINUTE / 2)
    redis.up()
    expect(redis.lines.map(({ redis: address }) => address)).toEqual(Array(3).fill('redis:6379/0'))
    expect(redis.lines).toMatchObject([
      { msg: 'Redis rooms connected', role: 'rooms' },
      { msg: 'Redis connection failed: what refused means', kind: 'refused', failures: 1 },
      { msg: 'Redis rooms connected', failures: 501, downMs: MINUTE / 2 },
    ])
  })

  test('counts what repeats, once a minute', () => {
    const redis = follow()
    redis.down('wrongpass')
    for (let second = 0; second < 130; second++) {
      redis.fails('wrongpass', 2)
      vi.advanceTimersByTime(1000)
    }
    expect(redis.lines).toMatchObject([
      { kind: 'wrongpass', failures: 1, downMs: 0 },
      { kind: 'wrongpass', failures: 121, downMs: MINUTE },
      { kind: 'wrongpass', failures: 241, downMs: 2 * MINUTE },
    ])
  })

  test('waits for the reason of a closed connection, and tells it alone', () => {
    const redis = follow()
    redis.up()
    redis.down('closed')
    redis.down('refused')
    expect(redis.kinds()).toEqual(['ok', 'refused'])
    vi.advanceTimersByTime(MINUTE / 2)
    expect(redis.kinds()).toEqual(['ok', 'refused'])
  })

  test('names a closed connection where no better reason follows', () => {
    const redis = follow()
    redis.down('closed')
    expect(redis.kinds()).toEqual([])
    vi.advanceTimersByTime(MINUTE / 2)
    expect(redis.kinds()).toEqual(['closed'])
  })

  test('does not mention a connection that is back before it was missed', () => {
    const redis = follow()
    redis.up()
    redis.down('closed')
    redis.up()
    vi.advanceTimersByTime(10 * MINUTE)
    expect(redis.kinds()).toEqual(['ok'])
  })

  test('has at most 5 lines in any 2 minutes, however often the state changes', () => {
    const redis = follow()
    for (let change = 0; change < 400; change++) {
      if (change % 2 === 0) redis.up()
      else redis.down(change % 4 === 1 ? 'refused' : 'timeout')
      vi.advanceTimersByTime(1000)
    }
    for (const start of redis.times) {
      const within = redis.times.filter((time) => time >= start && time < start + 2 * MINUTE)
      expect(within.length).toBeLessThanOrEqual(5)
    }
  })

  test('tells the last state as soon as there is room for a line', () => {
    const redis = follow()
    for (let change = 0; change < 3; change++) {
      redis.down('refused')
      redis.up()
    }
    expect(redis.kinds()).toEqual(['refused', 'ok', 'refused', 'ok', 'refused'])
    vi.advanceTimersByTime(2 * MINUTE + 1)
    expect(redis.kinds().slice(5)).toEqual(['ok'])
    vi.advanceTimersByTime(10 * MINUTE)
    expect(redis.lines).toHaveLength(6)
  })

  test('ends when it is stopped', () => {
    const redis = follow()
    redis.down('refused')
    redis.events.stop()
    vi.advanceTimersByTime(10 * MINUTE)
    expect(redis.lines).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('adds the hint where the password is refused, and nowhere else', () => {
    const redis = follow(HINT)
    redis.down('wrongpass')
    expect(redis.lines[0]?.msg).toBe(`Redis connection failed: what wrongpass means; ${HINT}`)
    expect(redis.events.health()).toMatchObject({ message: `what wrongpass means; ${HINT}` })
    redis.down('refused')
    expect(redis.lines[1]?.msg).not.toContain(HINT)
  })
})

describe('what operators see besides', () => {
  test('health follows the state', () => {
    vi.setSystemTime(0)
    const { events, down, up } = follow()
    expect(events.health()).toEqual({ state: 'starting' })
    down('noauth')
    const message = 'what noauth means'
    const since = new Date(0).toISOString()
    expect(events.health()).toEqual({ state: 'down', since, kind: 'noauth', message, failures: 1 })
    up()
    expect(events.health()).toEqual({ state: 'ok', since })
  })

  test('every failure counts in the metrics, whatever was logged', async () => {
    const { metrics, down, fails, up } = follow()
    up()
    down('timeout')
    fails('timeout', 99)
    fails('refused', 1)
    const text = await metrics.registry.metrics()
    expect(text).toContain('roomwire_redis_errors_total{role="rooms",kind="timeout"} 100')
    expect(text).toContain('roomwire_redis_errors_total{role="rooms",kind="refused"} 1')
    expect(text).toContain('roomwire_redis_up{role="rooms"} 0')
  })
})
