import { expect, test } from 'vitest'
import { makeCertificates } from '../support/certificates.ts'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisSentinel } from '../support/redis-sentinel.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { startConversation } from './conversation.ts'

const PASSWORD = 'TLS/p+w='

test('a private authority, a client certificate, a server of another name', async () => {
  const scope = testScope()
  const tls = await makeCertificates(scope, ['DNS:rooms.internal'])
  const redis = await startRedis(scope, { tls, mutualTls: true, requirepass: PASSWORD })
  const env = {
    REDIS_URL: `rediss://127.0.0.1:${redis.port}`,
    REDIS_PASSWORD: PASSWORD,
    REDIS_TLS_CA_FILE: tls.caFile,
    REDIS_TLS_CERT_FILE: tls.certFile,
    REDIS_TLS_KEY_FILE: tls.keyFile,
    REDIS_TLS_SERVER_NAME: 'rooms.internal',
  }
  const gateway = await startInProcess(scope, env)
  const client = await connectClient(scope, gateway.url)
  await client.ask('room:send', { room: 'lobby', id: '1', body: 1 })
  expect(gateway.health().redis).toMatchObject({ rooms: { state: 'ok' }, cache: { state: 'ok' } })
})

test('Sentinels and servers over TLS', async () => {
  const scope = testScope()
  const tls = await makeCertificates(scope)
  const set = await startRedisSentinel(scope, { tls, requirepass: PASSWORD, replicas: 1 })
  const env = {
    REDIS_URL: `rediss://:${PASSWORD}@${set.master}`,
    REDIS_SENTINEL_HOSTS: set.hosts,
    REDIS_TLS_CA_FILE: tls.caFile,
    ROOM_ACK_REPLICAS: '1',
  }
  const { goesOn, ends } = await startConversation(scope, env, ['lobby'])
  await goesOn(5)
  await set.failOver()
  await goesOn(5)
  await ends()
})

test('D3, D4: a cluster over TLS, with a slot that moves', async () => {
  const scope = testScope()
  const tls = await makeCertificates(scope, ['DNS:rooms.internal'])
  const cluster = await startRedisCluster(scope, { tls, mutualTls: true, requirepass: PASSWORD })
  const env = {
    REDIS_URL: `rediss://:${PASSWORD}@${cluster.hosts}`,
    REDIS_CLUSTER: 'true',
    REDIS_TLS_CA_FILE: tls.caFile,
    REDIS_TLS_CERT_FILE: tls.certFile,
    REDIS_TLS_KEY_FILE: tls.keyFile,
    REDIS_TLS_SERVER_NAME: 'rooms.internal',
  }
  const { goesOn, ends, followers } = await startConversation(scope, env, ['lobby', 'attic'])
  await goesOn(5)
  const slot = Number(await cluster.nodes[0]?.cli('CLUSTER', 'KEYSLOT', 'lobby'))
  const from = await cluster.ownerOf(slot)
  const to = (await cluster.primaries()).find((primary) => primary !== from) ?? expect.fail()
  await cluster.moveSlot(slot, to)
  await goesOn(5)
  await ends()
  for (const { resets } of followers) expect(resets).toEqual([])
})
