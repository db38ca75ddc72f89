import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

/** It stops by itself: nothing but the hand-over takes time, and there is nobody to hand over. */
const start = (level: string) =>
  startGateway(testScope(), {
    env: { SHUTDOWN_TIMEOUT: '2s', DRAIN_NOTICE: '0ms', LOG_LEVEL: level },
  })

test('D10 it stops where nobody is left who reads its lines', async () => {
  const gateway = await start('info')
  gateway.stdout.destroy()
  gateway.signal('SIGTERM')
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
})

test('D10 it stops where whoever reads its lines has stopped to', async () => {
  const gateway = await start('debug')
  gateway.stdout.pause()
  for (let times = 0; times < 40; times += 1) {
    await Promise.all(Array.from({ length: 50 }, () => fetch(`${gateway.url}/health/live`)))
  }
  gateway.signal('SIGTERM')
  await eventually(() => !gateway.running)
  gateway.stdout.resume()
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
})

test('its last lines are written', async () => {
  const gateway = await start('info')
  let text = ''
  gateway.stdout.on('data', (data) => {
    text += data
  })
  gateway.signal('SIGTERM')
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
  expect(text).toMatch(/"msg":"stopped"\}\n$/)
})
