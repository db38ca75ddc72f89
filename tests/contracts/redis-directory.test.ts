import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { createRedisDirectory } from '../../server/broker/redis/directory.ts'
import { summaryOf } from '../support/instance-summary.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { openingRoomsLinks } from '../support/rooms-link.ts'
import { testScope } from '../support/test-scope.ts'
import { describeInstanceDirectory } from './instance-directory.ts'

const scope = testScope()
let redis: RedisServer

beforeAll(async () => {
  redis = await startRedis(scope)
})

const { failures, link } = openingRoomsLinks(() => redis)

async function two() {
  const prefix = `roomwire:t-${randomUUID()}`
  const [a, b] = await Promise.all([link(prefix), link(prefix)])
  return {
    prefix,
    a: createRedisDirectory(a, prefix),
    b: createRedisDirectory(b, prefix),
  }
}

describeInstanceDirectory('redis', two)

test('what others wrote there is left out, what is old is dropped, the hash expires', async () => {
  const { prefix, a } = await two()
  const key = `${prefix}:{instances}`
  const now = Date.now()
  const old = JSON.stringify(summaryOf('old'))
  const strange = ['not json', '1', '{"instance":"x"}', '{"instance":1,"boot":"b","status":"ok"}']
  const wrong = JSON.stringify({ ...summaryOf('wrong'), events: 'many' })
  for (const [index, text] of [...strange, wrong].entries()) {
    await redis.cli('HSET', key, `strange ${index}`, `${now} ${text}`)
  }
  await redis.cli('HSET', key, 'old', `${now - 61_000} ${old}`, 'timeless', 'what')
  await redis.cli('HSET', key, 'early', `${now + 5000} ${JSON.stringify(summaryOf('early'))}`)

  const seen = await a.exchange(summaryOf('one'))
  expect(seen.map(({ summary }) => summary.instance)).toEqual(['one', 'early'])
  expect(seen.map(({ ageMs }) => ageMs)).toEqual([0, 0])
  const fields = (await redis.cli('HKEYS', key)).split('\n')
  expect(fields).not.toContain('old')
  expect(fields).not.toContain('timeless')
  expect(Number(await redis.cli('PTTL', key))).toBeGreaterThan(50_000)
})

test('a summary of an older version is read for what it has', async () => {
  const { prefix, a } = await two()
  const text = JSON.stringify({ instance: 'older', boot: 'b', status: 'ok', connections: 7 })
  await redis.cli('HSET', `${prefix}:{instances}`, 'b', `${Date.now()} ${text}`)
  const seen = await a.exchange(summaryOf('one'))
  expect(seen[1]?.summary).toMatchObject({ instance: 'older', connections: 7, sendP99Ms: null })
})

test('a user who may look into it no longer keeps the link that rooms need', async () => {
  const prefix = `roomwire:t-${randomUUID()}`
  for (const user of ['blind', 'anybody']) {
    await redis.cli('ACL', 'SETUSER', user, 'on', `>${user}`, '~*', '&*', '+@all')
    const made = await link(prefix, user)
    const directory = createRedisDirectory(made, prefix)
    failures.length = 0
    if (user === 'blind') await redis.cli('ACL', 'SETUSER', user, '-hgetall')
    else await redis.cli('SET', `${prefix}:{instances}`, 'no hash')
    await expect(directory.exchange(summaryOf('one'))).rejects.toThrow('cannot be used')
    expect(failures).toEqual([])
    expect(made.state.name).toBe('ok')
  }
})

test('while Redis is away it rejects, and works again afterwards', async () => {
  const { a } = await two()
  await a.exchange(summaryOf('one'))
  await redis.kill()
  await expect(a.exchange(summaryOf('one'))).rejects.toThrow()
  await redis.start()
  await expect
    .poll(() => a.exchange(summaryOf('one')).catch(() => []), { timeout: 15_000 })
    .toHaveLength(1)
})
