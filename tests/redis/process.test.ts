import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { runGateway, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

test('it cannot listen: exit code 1, and a line that names what to change', async () => {
  const scope = testScope()
  const other = await startGateway(scope)
  const refusals: [Record<string, string>, RegExp][] = [
    [{ PORT: String(other.port) }, /another process listens there; set PORT/],
    [{ HOST: '192.0.2.1' }, /HOST is no address of this machine/],
    [{ HOST: 'nowhere.invalid' }, /HOST is a name that is not known here/],
  ]
  for (const [env, words] of refusals) {
    const { code, output } = await runGateway(scope, { env })
    expect(code).toBe(1)
    expect(output.at(-1)).toMatch(words)
  }
})

test('the line that it listens has an address to open', async () => {
  const gateway = await startGateway(testScope(), { env: { HOST: '0.0.0.0' } })
  const { url } = await gateway.waitForLog(({ msg }) => msg === 'listening')
  expect(url).toBe(`http://localhost:${gateway.port}`)
})

test('asked to stop twice, it ends at once, and says so', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '10s' } })
  await connectClient(scope, gateway.url)
  gateway.signal('SIGINT')
  await gateway.waitForLog(({ msg }) => msg === 'stopping')
  gateway.signal('SIGINT')
  expect(await gateway.exited).toEqual({ code: 1, signal: null })
  expect(gateway.logs.at(-1)?.msg).toBe('asked twice: ending at once')
})

test.each([
  [{ REDIS_HOST: 'redis' }, ['REDIS_HOST']],
  [{ WEBSOCKET_REDIS_UR: 'redis://redis' }, ['WEBSOCKET_REDIS_UR']],
  [{ REDIS_PASSWORD: 'hunter2' }, ['REDIS_PASSWORD']],
  [{ REDIS_HOST: 'redis', WEBSOCKET_MANAGER: 'memory' }, undefined],
  [{ REDIS_PORT: 'tcp://10.0.0.1:6379' }, undefined],
  [{}, undefined],
])(
  'rooms in memory where %j: a warning only where a Redis seems to be meant',
  async (env, variables) => {
    const gateway = await startGateway(testScope(), { env: env as Record<string, string> })
    const line = await gateway.waitForLog(({ msg }) => msg.startsWith('rooms live in memory'))
    expect(line).toMatchObject(variables === undefined ? { level: 30 } : { level: 40, variables })
    expect(gateway.output.join('')).not.toContain('hunter2')
  },
)
