import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectClient } from '../../tests/support/client.ts'
import { startGateway } from '../../tests/support/gateway-process.ts'
import type { Scope } from '../../tests/support/scope.ts'

const CLIENTS = 50
const INSTANCES = 3
const LATER = 20
const ROOM = 'labels'

export interface LabelTimes {
  /** From the first of many sends of one text to its first labels, ms. */
  firstMs: number
  /** The same of that text once more: the median of some. */
  laterMs: number
  /** How often the classifier was asked. */
  calls: number
}

/** One text through 50 clients on three instances, with a classifier that takes its time. */
export async function measureLabels(
  scope: Scope,
  redisUrl: string,
  classifierMs: number,
): Promise<LabelTimes> {
  let calls = 0
  const service = createServer((request, response) => {
    calls += 1
    request.resume()
    setTimeout(() => response.end('{"labels":{"topic":"greeting"}}'), classifierMs)
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  scope.defer(() => {
    service.closeAllConnections()
    service.close()
  })
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`
  const env = { REDIS_URL: redisUrl, CLASSIFIER: 'http', CLASSIFIER_URL: url }
  const gateways = await Promise.all(
    Array.from({ length: INSTANCES }, () => startGateway(scope, { env })),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, index) =>
      connectClient(scope, gateways[index % INSTANCES]?.url ?? '', { session: `${index}` }),
    ),
  )
  const [watcher, sender] = clients
  if (watcher === undefined || sender === undefined) throw new Error('nobody is there')
  await watcher.ask('room:join', { room: ROOM })
  const body = { text: 'Hello there' }

  const begun = performance.now()
  const first = watcher.next('room:labels')
  await Promise.all(
    clients.map((client, index) => client.ask('room:send', { room: ROOM, id: `${index}`, body })),
  )
  await first
  const firstMs = performance.now() - begun
  for (let index = 1; index < CLIENTS; index += 1) await watcher.next('room:labels')

  const later: number[] = []
  for (let index = 0; index < LATER; index += 1) {
    const sent = performance.now()
    const labels = watcher.next('room:labels')
    await sender.ask('room:send', { room: ROOM, id: `later ${index}`, body })
    await labels
    later.push(performance.now() - sent)
  }
  later.sort((a, b) => a - b)
  return { firstMs, laterMs: later[LATER / 2] ?? 0, calls }
}
