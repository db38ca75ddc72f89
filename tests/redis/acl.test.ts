import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { OperationsData } from '../../server/observability/operations.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { repositoryRoot, startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { aclPassword, startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

test('the rights in deploy/users.acl are enough for gateways, and for nothing else', async () => {
  const scope = testScope()
  const shipped = await readFile(join(repositoryRoot, 'deploy/users.acl'), 'utf8')
  const credentials = { username: 'roomwire', password: 'a / b' }
  const redis = await startRedis(scope, {
    requirepass: 'of the owner',
    users: [
      String(shipped.trim().split('\n').at(-1)).replace(
        '#<sha256>',
        aclPassword(credentials.password),
      ),
    ],
  })
  const start = async (instance: string) => {
    const gateway = await startGateway(scope, {
      env: { WEBSOCKET_REDIS_URL: redis.url(credentials), INSTANCE_ID: instance },
    })
    await gateway.ready()
    return gateway
  }
  const gateways = [await start('one'), await start('two')] as const
  const ann = await connectClient(scope, gateways[0].url, { session: 'ann' })
  const ben = await connectClient(scope, gateways[1].url, { session: 'ben' })
  for (const client of [ann, ben]) await client.ask('room:join', { room: 'kept' })

  const { position } = await ann.ask('room:send', { room: 'kept', id: '1', body: 'across' })
  expect(await ben.next('room:message')).toMatchObject({ body: 'across' })
  ann.socket.emit('room:typing', { room: 'kept', typing: true })
  expect(await ben.next('room:typing')).toMatchObject({ typing: true })
  ben.close()
  const back = await connectClient(scope, gateways[0].url, { session: 'ben' })
  expect(await back.ask('room:join', { room: 'kept', since: position })).toMatchObject({
    recovered: true,
  })
  for (const { url } of gateways)
    expect(await readMetric(url, 'roomwire_redis_errors_total')).toBe(0)

  const seesTheOther = async () => {
    const reply = await fetch(`${gateways[0].url}/ops/data`)
    const { cluster } = (await reply.json()) as OperationsData
    return (
      cluster.known && cluster.instances.filter(({ presence }) => presence === 'live').length === 2
    )
  }
  await eventually(seesTheOther, { what: 'the directory of instances' })

  const refused = [
    ['SET', 'elsewhere', '1'],
    ['PUBLISH', 'elsewhere', '1'],
    ['FLUSHALL'],
    ['CONFIG', 'GET', 'requirepass'],
    ['ACL', 'LIST'],
    ['KEYS', '*'],
  ]
  for (const command of refused) {
    expect(await redis.cliAs(credentials, ...command)).toMatch(/^NOPERM/)
  }
})
