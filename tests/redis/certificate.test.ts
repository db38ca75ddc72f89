import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeCertificates } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const EXPIRY = 'roomwire_redis_certificate_expiry_timestamp_seconds'

test('metrics say until when the certificate of a Redis is valid', async () => {
  const scope = testScope()
  const tls = await makeCertificates(scope)
  const redis = await startRedis(scope, { tls, requirepass: 'secret' })
  const { url } = await startGateway(scope, {
    env: { WEBSOCKET_REDIS_URL: redis.url(), WEBSOCKET_REDIS_TLS_CA_FILE: tls.caFile },
  })
  const until = Date.parse(new X509Certificate(readFileSync(tls.certFile)).validTo)
  await eventually(
    async () => (await readMetric(url, EXPIRY, { role: 'rooms' })) === until / 1000,
    {
      what: 'the expiry of the certificate',
    },
  )
})

test('without TLS there is no such metric', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startGateway(scope, { env: { WEBSOCKET_REDIS_URL: redis.url() } })
  await gateway.ready()
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).not.toContain(`${EXPIRY}{`)
})
