import { beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../server/config.ts'
import { createGateway } from '../../server/gateway.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { type RedisSentinel, startRedisSentinel } from '../support/redis-sentinel.ts'
import { redisQuote, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { startConversation } from './conversation.ts'

const PASSWORD = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='
const SENTINEL_PASSWORD = 'se/nt+in=el'
const ROOMS = ['lobby', 'kitchen']

const scope = testScope()
let set: RedisSentinel

beforeAll(async () => {
  set = await startRedisSentinel(scope, {
    requirepass: PASSWORD,
    sentinelPassword: SENTINEL_PASSWORD,
  })
})

/** Prefixes keep the tests apart. */
function environment(prefix: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    WEBSOCKET_REDIS_URL: `redis://${set.master}`,
    WEBSOCKET_REDIS_PASSWORD: PASSWORD,
    WEBSOCKET_SENTINEL_HOSTS: set.hosts,
    WEBSOCKET_REDIS_SENTINEL_PASSWORD: SENTINEL_PASSWORD,
    REDIS_KEY_PREFIX: prefix,
    ...more,
  }
}

describe('a primary and two replicas under Sentinels', () => {
  test('D1, D6, D7: another takes over although the primary works; nothing confirmed is lost', async () => {
    const own = testScope()
    // Of both: the primary goes on for a while, and one of them would confirm.
    const env = environment('asked', { ROOM_ACK_REPLICAS: '2' })
    const { goesOn, ends, gateways } = await startConversation(own, env, ROOMS)
    await goesOn(10)
    const before = await set.primary()
    await set.failOver()
    await goesOn(10)
    await ends()
    expect(await set.primary()).not.toBe(before)
    await eventually(() => gateways.every(({ health }) => health().redis.rooms.state === 'ok'))
    await set.whole()
  })

  test('Sentinels that disagree: what most of them say counts, and any of them announces', async () => {
    const own = testScope()
    // One that is cut off from the others goes on naming what it knew; it is asked first.
    const former = await startRedis(own, { requirepass: PASSWORD, rights: 'all' })
    const cutOff = await startRedis(own, {
      ...{ args: ['--sentinel'], rights: 'all', requirepass: SENTINEL_PASSWORD },
      config: [
        `sentinel monitor ${set.master} 127.0.0.1 ${former.port} 1`,
        `sentinel auth-pass ${set.master} ${redisQuote(PASSWORD)}`,
      ],
    })
    const hosts = `127.0.0.1:${cutOff.port},${set.hosts}`
    const env = environment('disagree', { WEBSOCKET_SENTINEL_HOSTS: hosts, ROOM_ACK_REPLICAS: '2' })
    const { goesOn, ends } = await startConversation(own, env, ROOMS)
    await goesOn(10)
    await set.failOver()
    await goesOn(10)
    await ends()
    expect(await former.cli('KEYS', '*')).toBe('')
    await set.whole()
  })

  test('D1, D6, D7: the primary is killed under load', async () => {
    const own = testScope()
    // Of both, whichever takes over.
    const env = environment('killed', { ROOM_ACK_REPLICAS: '2' })
    const { goesOn, ends } = await startConversation(own, env, ROOMS)
    await goesOn(10)
    const primary = await set.primary()
    await primary.kill()
    const replaced = async () => (await set.primary()) !== primary
    await eventually(replaced, { what: 'another primary', timeoutMs: 20_000 })
    await primary.start()
    await goesOn(10)
    await ends()
    await set.whole()
  })

  test('D7: a Sentinel that is away, or frozen, is not waited for', async () => {
    const own = testScope()
    const frozen = set.sentinels[0] ?? expect.fail()
    frozen.pause()
    own.defer(() => frozen.resume())
    const hosts = `127.0.0.1:${await freePort()},${set.hosts}`
    const env = environment('away', { WEBSOCKET_SENTINEL_HOSTS: hosts })
    const { goesOn, ends } = await startConversation(own, env, ['lobby'])
    await goesOn(5)
    await ends()
  })

  test('two rights are enough at the Sentinels', async () => {
    const own = testScope()
    const rights = 'on >least resetchannels &+switch-master -@all +subscribe'
    for (const sentinel of set.sentinels) {
      const user = [...rights.split(' '), '+sentinel|get-master-addr-by-name']
      expect(await sentinel.cli('ACL', 'SETUSER', 'watcher', ...user)).toBe('OK')
    }
    const credentials = {
      WEBSOCKET_REDIS_SENTINEL_USERNAME: 'watcher',
      WEBSOCKET_REDIS_SENTINEL_PASSWORD: 'least',
    }
    const { goesOn, ends } = await startConversation(own, environment('least', credentials), ['a'])
    await goesOn(2)
    await ends()
    const [sentinel] = set.sentinels
    expect(await sentinel?.cli('ACL', 'LOG')).toBe('')
  })

  test.each([
    ['wrongpass', { WEBSOCKET_REDIS_SENTINEL_PASSWORD: 'of another' }, 'asking the Sentinels'],
    ['noauth', { WEBSOCKET_REDIS_SENTINEL_PASSWORD: '' }, 'asking the Sentinels'],
    ['sentinel', { WEBSOCKET_REDIS_URL: 'redis://nobody' }, 'no Sentinel names a primary'],
    ['wrongpass', { WEBSOCKET_REDIS_PASSWORD: 'of another' }, 'refused the user name or password'],
  ])('D7: %s is named: %j', async (kind, wrong, message) => {
    const { config } = readConfig({
      ...{ PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'silent', DRAIN_NOTICE: '0ms' },
      ...{ DRAIN_PERIOD: '0ms', SHUTDOWN_TIMEOUT: '2s' },
      ...environment('wrong', wrong),
    })
    const gateway = createGateway(config)
    testScope().defer(() => gateway.stop())
    await gateway.start()
    const rooms = () => gateway.health().redis.rooms
    await eventually(() => rooms().state === 'down' && (rooms() as { kind?: string }).kind === kind)
    expect(rooms()).toMatchObject({ kind, message: expect.stringContaining(message) })
    expect(JSON.stringify(gateway.health())).not.toContain('of another')
  })
})
