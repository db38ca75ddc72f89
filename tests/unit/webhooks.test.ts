import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createWebhooks } from '../../server/edge/webhooks.ts'

/** A backend that answers with these statuses, the last one for ever; 0 is no answer. */
async function open(...statuses: number[]) {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(body)
    const status = statuses[Math.min(bodies.length, statuses.length) - 1] ?? 200
    if (status !== 0) response.writeHead(status).end('words that nobody reads')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const outcomes: string[] = []
  const causes: string[] = []
  const webhooks = createWebhooks({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret: () => 'secret',
    outcome(of, cause) {
      outcomes.push(of)
      if (cause !== undefined) causes.push(cause)
    },
    firstDelayMs: 1,
  })
  onTestFinished(webhooks.stop)
  const send = (room = 'r') => webhooks.send({ type: 'room.occupied', room, at: 1 })
  return { webhooks, send, bodies, outcomes, causes, server }
}

test('what fails is tried again with the same id, until it is taken', async () => {
  const { send, bodies, outcomes, webhooks } = await open(500, 503, 429, 200)
  send()
  await expect.poll(() => outcomes).toEqual(['retried', 'retried', 'retried', 'delivered'])
  expect(new Set(bodies).size).toBe(1)
  expect(JSON.parse(bodies[0] ?? '')).toEqual({
    ...{ id: expect.any(String), type: 'room.occupied', room: 'r', at: 1 },
  })
  await expect.poll(() => webhooks.waiting).toBe(0)
})

test('what is refused is not tried again, what always fails is given up', async () => {
  const refused = await open(410)
  refused.send()
  await expect.poll(() => refused.outcomes).toEqual(['refused'])
  expect(refused.causes).toEqual(['status 410'])
  const failing = await open(500)
  failing.send()
  await expect.poll(() => failing.outcomes.at(-1), { timeout: 10_000 }).toBe('given_up')
  expect(failing.bodies).toHaveLength(8)
  expect(failing.causes).toEqual(Array(8).fill('status 500'))
  const absent = await open()
  absent.server.close()
  absent.send()
  await expect.poll(() => absent.causes[0]).toBe('ECONNREFUSED')
})

test('D8 while the backend does not answer, no more than 1,000 wait', async () => {
  const { send, bodies, outcomes, webhooks } = await open(0)
  for (let room = 0; room < 1500; room += 1) send(String(room))
  expect(outcomes.filter((of) => of === 'dropped').length).toBe(1500 - 1004)
  await expect.poll(() => bodies.length).toBe(4)
  webhooks.stop()
})
