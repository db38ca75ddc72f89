import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { testScope } from '../support/test-scope.ts'

test('D8 a request full of CONNECT packets costs the process nothing and others nothing', async () => {
  const scope = testScope()
  const gateway = await startGateway(scope)
  const other = await connectClient(scope, gateway.url)
  const endpoint = `${gateway.url}/socket.io/?EIO=4&transport=polling`
  const opened = await (await fetch(endpoint)).text()
  const { sid } = JSON.parse(opened.slice(1)) as { sid: string }

  const body = Array(60_000).fill('40').join('\x1e')
  const flood = fetch(`${endpoint}&sid=${sid}`, { method: 'POST', body }).catch(() => undefined)
  await other.ask('gateway:hello', {}, 3000)
  await flood
  await eventually(
    async () => (await readMetric(gateway.url, 'roomwire_connections_opened_total')) <= 51,
    { what: 'no more connections than anybody may open', timeoutMs: 3000 },
  )
  expect(await (await fetch(`${gateway.url}/health/live`)).json()).toEqual({ live: true })
})
