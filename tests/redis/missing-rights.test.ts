import { pino } from 'pino'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Right, rights } from '../../server/broker/redis/rights.ts'
import { createGateway, type Gateway, readConfig } from '../../server/gateway.ts'
import { eventually } from '../support/eventually.ts'
import { aclPassword, type RedisServer, shippedRule, startRedis } from '../support/redis-server.ts'
import { createScope, type Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const PREFIX = 'roomwire'
/** A subscription to a pattern that is refused is named by whoever wanted it. */
const ASKED = rights.filter(
  ({ command, topology, unasked }) =>
    !unasked && topology !== 'cluster' && command !== 'psubscribe',
)

const fileScope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(fileScope, { rights: 'least' })
})

/** The shipped rule for a user, but for some of its words. */
function ruleWithout(user: string, ...words: readonly string[]): string {
  const rule = shippedRule(user, '#<sha256>').split(' ')
  return rule.filter((word) => !words.includes(word)).join(' ')
}

interface Started {
  gateway: Gateway
  lines: readonly { msg: string; role?: string; kind?: string }[]
}

/** A gateway whose user has this rule; it may never become ready. */
async function start(scope: Scope, user: string, rule: string, right?: Right): Promise<Started> {
  const password = `password of ${user}`
  const words = rule.replace('#<sha256>', aclPassword(password)).split(' ').slice(1)
  expect(await redis.cli('ACL', 'SETUSER', ...words)).toBe('OK')
  const { config } = readConfig({
    ...{ PORT: '0', HOST: '127.0.0.1', DRAIN_NOTICE: '0ms', DRAIN_PERIOD: '0ms' },
    REDIS_URL: `redis://127.0.0.1:${redis.port}/${right?.setting === 'database' ? 1 : 0}`,
    ...{ REDIS_USERNAME: user, REDIS_PASSWORD: password, REDIS_KEY_PREFIX: PREFIX },
    ...(right?.setting === 'ROOM_ACK_REPLICAS' && { ROOM_ACK_REPLICAS: '1' }),
  })
  const lines: Started['lines'][number][] = []
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const gateway = createGateway(config, { logger })
  await gateway.start()
  scope.defer(() => gateway.stop())
  return { gateway, lines }
}

function linesAbout({ lines }: Started, role: string, text: string): unknown[] {
  return lines.filter((line) => line.role === role && line.msg.includes(text))
}

describe.concurrent.each(ASKED)('without the right to $command', (right) => {
  const { command, roles, without } = right
  test(`a gateway names it: ${without ?? 'it does not start'}`, async ({ onTestFinished }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const user = `no-${command.replace('|', '-')}`
    const started = await start(scope, user, ruleWithout(user, `+${command}`), right)
    const health = () => started.gateway.health()
    for (const role of roles) {
      if (without === undefined) {
        await eventually(() => health().redis[role].state === 'down')
        expect(health().redis[role]).toMatchObject({
          kind: 'noperm',
          message: expect.stringContaining(`the command ${command.split('|')[0]}`),
        })
        expect(health().ready).toBe(false)
        expect(linesAbout(started, role, 'Redis connection failed')).toHaveLength(1)
      } else {
        await eventually(() => health().redis[role].state === 'ok')
        expect(health().redis[role]).toMatchObject({
          noperm: [`the command ${command}: ${without}`],
        })
        expect(health().ready).toBe(true)
      }
      expect(linesAbout(started, role, `the command ${command.split('|')[0]}`)).toHaveLength(1)
    }
    // Given what it lacks, it goes on by itself.
    expect(await redis.cli('ACL', 'SETUSER', user, `+${command}`)).toBe('OK')
    await eventually(() => health().ready, { what: 'readiness', timeoutMs: 20_000 })
  })
})

test.each([
  ['keys', `~${PREFIX}:*`, `~${PREFIX}:*`],
  ['channels', `&${PREFIX}:*`, 'channel'],
])('without its %s a gateway does not start, and says so', async (what, word, named) => {
  const user = `no-${what}`
  const started = await start(testScope(), user, ruleWithout(user, word))
  const health = () => started.gateway.health().redis.rooms
  await eventually(() => health().state === 'down')
  expect(health()).toMatchObject({ kind: 'noperm', message: expect.stringContaining(named) })
  expect(linesAbout(started, 'rooms', 'Redis connection failed')).toHaveLength(1)
})

test.each(['+psubscribe', '&socket.io#/*'])(
  'without %s producers are not heard, and a line says so',
  async (word) => {
    const user = `deaf-${word.slice(1, 4)}`
    const started = await start(testScope(), user, ruleWithout(user, word))
    await eventually(() => started.gateway.health().ready)
    const told = started.lines.filter(({ msg }) => msg.includes('+psubscribe &socket.io#/*'))
    expect(told).toHaveLength(1)
  },
)

test('of several that are missing, all are named at once', async () => {
  const rule = ruleWithout('three', '+xadd', '+mget', '+unlink')
  const started = await start(testScope(), 'three', rule)
  await eventually(() => started.gateway.health().redis.rooms.state === 'down')
  expect(started.gateway.health().redis.rooms).toMatchObject({
    message: expect.stringContaining('the command mget, the command xadd, the command unlink'),
  })
})

test('the shipped rule lacks nothing, and its user may do nothing else', async () => {
  const started = await start(testScope(), 'whole', ruleWithout('whole'))
  await eventually(() => started.gateway.health().ready)
  const { rooms, cache } = started.gateway.health().redis
  expect([rooms, cache]).toEqual([
    { state: 'ok', since: expect.any(String) },
    { state: 'ok', since: expect.any(String) },
  ])
  expect(await redis.cli('ACL', 'LOG')).not.toContain('whole')
})
