import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { entryPoint, repositoryRoot } from '../support/gateway-process.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

/** A gateway whose standard output is the test's own to read. */
async function start(scope: Scope, level: string) {
  const env = { PORT: '0', HOST: '127.0.0.1', SHUTDOWN_TIMEOUT: '2s', LOG_LEVEL: level }
  const child: ChildProcess & { stdout: Readable } = spawn(process.execPath, [entryPoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, DRAIN_NOTICE: '0ms' },
    cwd: repositoryRoot,
  })
  const exited = once(child, 'exit')
  scope.defer(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let text = ''
  const url = await new Promise<string>((resolve) => {
    child.stdout.on('data', (data) => {
      text += data
      const port = /"port":(\d+)/.exec(text)?.[1]
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
  })
  return { child, url, exited, text: () => text }
}

test('D10 it stops where nobody is left who reads its lines', async () => {
  const { child, exited } = await start(testScope(), 'info')
  child.stdout.destroy()
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

test('D10 it stops where whoever reads its lines has stopped to', async () => {
  const { child, url, exited } = await start(testScope(), 'debug')
  child.stdout.pause()
  for (let times = 0; times < 40; times += 1) {
    await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/health/live`)))
  }
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})

test('its last lines are written', async () => {
  const { child, exited, text } = await start(testScope(), 'info')
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(text()).toMatch(/"msg":"stopped"\}\n$/)
})
