import { expect, test } from 'vitest'
import { startInProcess } from '../support/in-process.ts'
import { readMetric } from '../support/metrics.ts'
import { testScope } from '../support/test-scope.ts'

/** As Prometheus 2 and 3 ask. */
const ACCEPT = [
  'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
]

test.each(ACCEPT)('Prometheus can probe /health itself: %s', async (accept) => {
  const { url } = await startInProcess(testScope())
  const response = await fetch(`${url}/health`, { headers: { accept } })
  expect(response.headers.get('content-type')).toContain('version=0.0.4')
  const lines = (await response.text()).split('\n')
  expect(lines).toContain('roomwire_health_status{status="ok"} 1')
  expect(lines).toContain('roomwire_health_status{status="degraded"} 0')
})

test.each([undefined, '*/*', 'application/json', 'text/html,text/plain;q=0.8'])(
  'everybody else gets JSON: %s',
  async (accept) => {
    const { url } = await startInProcess(testScope())
    const response = await fetch(
      `${url}/health`,
      accept === undefined ? {} : { headers: { accept } },
    )
    expect(await response.json()).toMatchObject({ status: 'ok', durability: 'memory' })
  },
)

test('/metrics says the same, and what an acknowledgement is worth', async () => {
  const { url } = await startInProcess(testScope())
  expect(await readMetric(url, 'roomwire_health_status', { status: 'ok' })).toBe(1)
  expect(await readMetric(url, 'roomwire_durability', { level: 'memory' })).toBe(1)
  expect(await readMetric(url, 'roomwire_durability', { level: 'durable' })).toBe(0)
})
