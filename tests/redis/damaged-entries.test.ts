import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const room = 'damaged'
const KEY = `roomwire:{${room}}`

/** Makes one entry of the room's log into something else, as an editor of keys would. */
const DAMAGE = `
local log, offset, content = KEYS[1], ARGV[1], ARGV[2]
local all = redis.call('XRANGE', log, '-', '+')
redis.call('DEL', log)
for _, entry in ipairs(all) do
  local fields = entry[2]
  if string.match(entry[1], '^(%d+)') == offset then
    for i = 1, #fields, 2 do if fields[i] == 'm' then fields[i + 1] = content end end
  end
  redis.call('XADD', log, entry[1], unpack(fields))
end
return #all`

test('D6 an entry that is no message counts as trimmed: its room goes on, and clients are told', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const start = () => startGateway(scope, { env: { REDIS_URL: redis.url() } })
  const first = await start()
  await first.ready()
  const writer = await connectClient(scope, first.url)
  const positions = []
  for (let number = 1; number <= 6; number += 1) {
    const { position } = await writer.ask('room:send', { room, id: `m${number}`, body: number })
    positions.push(position)
  }
  const log = (await redis.cli('KEYS', `${KEY}:*`)).split('\n').find((key) => key.endsWith(':log'))
  expect(log).toBeDefined()
  expect(await redis.cli('EVAL', DAMAGE, '1', log ?? '', '3', 'not json')).toBe('6')

  // Another instance, which has nothing in memory.
  const second = await start()
  await second.ready()
  const client = await connectClient(scope, second.url)
  const bodies = (reply: { messages: readonly { body: unknown }[] }) =>
    reply.messages.map(({ body }) => body)
  const joined = await client.ask('room:join', { room })
  expect(bodies(joined)).toEqual([4, 5, 6])
  const whole = await client.ask('room:join', { room, since: positions[3] })
  expect([whole.recovered, bodies(whole)]).toEqual([true, [5, 6]])
  const broken = await client.ask('room:join', { room, since: positions[0] })
  expect([broken.recovered, bodies(broken)]).toEqual([false, [4, 5, 6]])
  expect(bodies(await client.ask('room:history', { room, before: 6 }))).toEqual([4, 5])
  expect(bodies(await client.ask('room:history', { room, before: 3 }))).toEqual([1, 2])
  const next = await client.ask('room:send', { room, id: 'm7', body: 7 })
  expect(next.position.offset).toBe(7)
  expect(await client.next('room:message')).toMatchObject({ offset: 7, body: 7 })

  // One line of it, however many met it.
  const lines = () => second.logs.filter(({ msg }) => msg.includes('is no message'))
  await eventually(() => lines().length > 0)
  expect(lines()).toMatchObject([{ level: 40, room, offset: 3 }])
  const refused = 'roomwire_requests_refused_total'
  expect(await readMetric(second.url, refused, { code: 'INTERNAL' })).toBe(0)
})

test('D6 members who miss it are told to start over, and nobody is disconnected', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  await gateway.ready()
  const member = await connectClient(scope, gateway.url)
  await member.ask('room:join', { room })
  const { position } = await member.ask('room:send', { room, id: 'm1', body: 1 })
  // Stored behind everybody's back, and never published: the next one's frame shows the gap.
  const at = Number(position.at) + 1
  const [log, meta] = [`${KEY}:log`, `${KEY}:meta`]
  await redis.cli('XADD', log, `2-${at}`, 'm', '{"id":"2","body":', 'p', String(position.at))
  await redis.cli('HSET', meta, 'o', '2', 'a', String(at))
  await member.ask('room:send', { room, id: 'm3', body: 3 })
  const reset = await member.next<{ position: { offset: number } }>('room:reset')
  expect(reset.position.offset).toBe(3)
  await member.ask('room:send', { room, id: 'm4', body: 4 })
  await eventually(() => member.messages(room).some(({ body }) => body === 4))
  expect(member.messages(room).map(({ body }) => body)).not.toContain(2)
  expect(member.received('disconnect')).toEqual([])
})
