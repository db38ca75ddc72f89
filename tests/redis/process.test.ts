import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { runGateway, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

/** Signals further apart than this are two (server/main.ts). */
const ONE_PRESS_MS = 350

test('it cannot listen: exit code 1, and a line that names what to change', async () => {
  const scope = testScope()
  const other = await startGateway(scope)
  const refusals: [Record<string, string>, RegExp][] = [
    [{ PORT: String(other.port) }, /another process listens there; set PORT/],
    [{ HOST: '192.0.2.1' }, /HOST is no address of this machine; unset it/],
    [{ HOST: 'fe80::1' }, /HOST is no address to listen on/],
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
  await sleep(ONE_PRESS_MS)
  gateway.signal('SIGINT')
  expect(await gateway.exited).toEqual({ code: 1, signal: null })
  expect(gateway.logs.at(-1)?.msg).toBe('asked twice: ending at once')
})

test('one Ctrl-C that comes twice, from the terminal and from npm, is one', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope, { env: { DRAIN_NOTICE: '1s' } })
  await connectClient(scope, gateway.url)
  gateway.signal('SIGINT')
  await gateway.waitForLog(({ msg }) => msg === 'stopping')
  gateway.signal('SIGINT')
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
  expect(gateway.logs.at(-1)?.msg).toBe('stopped')
})

test('rooms in memory though a Redis seems to be meant: a warning that names why', async () => {
  const env = { REDIS_HOST: 'hunter2', REDIS_PASSWORD: 'hunter2' }
  const gateway = await startGateway(testScope(), { env })
  const says = ({ msg }: { msg: string }) => msg.includes('rooms live in memory')
  const line = await gateway.waitForLog(says)
  expect(line).toMatchObject({ level: 40, variable: 'REDIS_PASSWORD' })
  expect(line.msg).toContain('REDIS_HOST')
  expect(gateway.output.join('')).not.toContain('hunter2')
})
