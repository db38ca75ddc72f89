import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createMetrics } from '../../server/observability/metrics.ts'
import {
  alertRules,
  dashboardExpressions,
  metricsOf,
  recordingRules,
} from '../support/alert-rules.ts'
import { connectClient } from '../support/client.ts'
import { healthCheckLine, readCompose } from '../support/compose.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startPrometheus, startRedisExporter } from '../support/monitoring.ts'
import { startShippedRedis } from '../support/shipped-redis.ts'
import { startShippedSystem } from '../support/shipped-system.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)

/** Everything of ours that can be in /metrics, whether it has a value yet or not. */
async function ownMetrics(): Promise<string[]> {
  const described = await createMetrics().registry.getMetricsAsJSON()
  return described.flatMap(({ name, type }) =>
    String(type) === 'histogram'
      ? ['_bucket', '_sum', '_count'].map((suffix) => `${name}${suffix}`)
      : [name],
  )
}

test('what compose.yml runs: Prometheus sees all of it, finds nothing wrong, and has every figure', async () => {
  const scope = testScope()
  const system = await startShippedSystem(scope)
  const { query, url } = await startPrometheus(scope, system.targets)
  // Traffic, and a refused login, so that there is something to count.
  const client = await connectClient(scope, system.haproxy.url)
  await client.ask('room:join', { room: 'seen' })
  await client.ask('room:send', { room: 'seen', id: '1', body: 1 })

  await eventually(async () => (await query('count(up) == 6 and sum(up) == 6')).length === 1, {
    what: 'six targets that answer',
    timeoutMs: 20_000,
  })
  await eventually(async () => (await query('roomwire:service_ok == 1')).length === 1, {
    what: 'a service that says ok',
    timeoutMs: 20_000,
  })
  expect(await query('ALERTS')).toEqual([])
  const [durable] = await query('min(roomwire_durability{level="durable"})')
  expect(durable?.value).toBe(1)

  await system.cli(system.cache, 'ACL', 'SETUSER', 'nobody', 'on', '>x')
  await system.cache.cli({ REDISCLI_AUTH: 'wrong' }, 'PING')
  await eventually(async () => (await query('redis_errors_total{err="WRONGPASS"}')).length === 1, {
    what: 'the count of a refused login',
    timeoutMs: 20_000,
  })

  const response = await fetch(`${url}/api/v1/label/__name__/values`)
  const { data: seen } = (await response.json()) as { data: string[] }
  const known = new Set([
    ...seen,
    ...(await ownMetrics()),
    ...recordingRules.map(({ record }) => record),
    'ALERTS',
  ])
  const expressions = [
    ...alertRules.map(({ alert, expr }) => ({ title: alert, expr })),
    ...recordingRules.map(({ record, expr }) => ({ title: record, expr })),
    ...dashboardExpressions(),
  ]
  for (const { title, expr } of expressions) {
    expect(metricsOf(expr).length, title).toBeGreaterThan(0)
    for (const metric of metricsOf(expr)) expect(known, `${metric} in ${title}`).toContain(metric)
    await query(expr) // throws what is wrong with it
  }
})

test('the health check of redis_exporter notices that the password is not the password any more', async () => {
  const scope = testScope()
  const redis = await startShippedRedis(scope, 'redis-cache.conf', 'the password')
  const line = healthCheckLine(readCompose('compose.yml').services['redis-cache-exporter'] ?? {})
  const health = (port: number) =>
    run('sh', ['-c', line.replace('9121', String(port))]).then(
      () => 'healthy',
      () => 'unhealthy',
    )
  const exporter = await startRedisExporter(scope, redis)
  expect(await health(exporter.port)).toBe('healthy')
  await redis.cli(
    { REDISCLI_AUTH: 'the password' },
    'ACL',
    'SETUSER',
    'default',
    '>x',
    '<the password',
  )
  expect(await health(exporter.port)).toBe('unhealthy')
  expect(await health(await freePort())).toBe('unhealthy')
  // As after a rotation: the new one is in the file, and the exporter is started again.
  await writeFile(redis.passwordFile, 'x\n')
  expect(await health((await startRedisExporter(scope, redis)).port)).toBe('healthy')
})
