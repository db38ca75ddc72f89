import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const SECRET = 'of both'

interface Told {
  id: string
  type: string
  room: string
}

/** A backend that refuses the first call of each event. */
async function startBackend(scope: Scope) {
  const told: Told[] = []
  const tried = new Set<string>()
  const unsigned: string[] = []
  let secret = SECRET
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const signature = String(request.headers['roomwire-signature'])
    const [, t = '', v1 = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
    const right = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')
    if (v1 !== right || Math.abs(Date.now() - Number(t)) > 60_000) unsigned.push(signature)
    const event = JSON.parse(body) as Told
    const first = !tried.has(event.id)
    tried.add(event.id)
    if (!first) told.push(event)
    response.writeHead(first ? 500 : 204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.defer(() => server.close())
  const { port } = server.address() as AddressInfo
  const words = () => told.map(({ type, room }) => `${type} ${room}`).sort()
  const signedWith = (next: string) => {
    secret = next
  }
  return { url: `http://127.0.0.1:${port}/hook`, words, unsigned, signedWith }
}

test('the first user of a room and the last one are told once, whichever instance they are on', async () => {
  const scope = testScope()
  const [redis, backend] = await Promise.all([startRedis(scope), startBackend(scope)])
  const secretFile = join(redis.dir, 'webhook-secret')
  await writeFile(secretFile, `${SECRET}\n`)
  const start = (instance: string): Promise<GatewayProcess> =>
    startGateway(scope, {
      env: {
        WEBSOCKET_REDIS_URL: redis.url(),
        INSTANCE_ID: instance,
        PRESENCE_GRACE: '0ms',
        PRESENCE_LEASE: '2s',
        WEBHOOK_URL: backend.url,
        WEBHOOK_SECRET_FILE: secretFile,
      },
    })
  const [one, two] = await Promise.all([start('one'), start('two')])
  await Promise.all([one.ready(), two.ready()])
  const enter = async (gateway: GatewayProcess, session: string, room: string) => {
    const client = await connectClient(scope, gateway.url, { session })
    await client.ask('room:join', { room })
    return client
  }
  const wait = { timeout: 20_000 }

  const both = await Promise.all([enter(one, 'ann', 'a'), enter(two, 'ben', 'a')])
  await expect.poll(backend.words, wait).toEqual(['room.occupied a'])
  both[0].close()
  await enter(two, 'eve', 'b')
  await expect.poll(backend.words, wait).toEqual(['room.occupied a', 'room.occupied b'])
  await both[1].ask('room:leave', { room: 'a' })
  await expect
    .poll(backend.words, wait)
    .toEqual(['room.occupied a', 'room.occupied b', 'room.vacated a'])

  // Nobody is left on the instance that has to notice.
  two.signal('SIGKILL')
  await two.exited
  await expect
    .poll(backend.words, wait)
    .toEqual(['room.occupied a', 'room.occupied b', 'room.vacated a', 'room.vacated b'])
  const last = await enter(one, 'dan', 'b')
  await expect.poll(() => backend.words().length, wait).toBe(5)
  expect(backend.words().filter((word) => word === 'room.occupied b')).toHaveLength(2)
  expect(backend.unsigned).toEqual([])

  await writeFile(secretFile, 'a new one\n')
  await one.waitForLog(({ msg }) => msg.startsWith('WEBHOOK_SECRET_FILE holds another secret'))
  backend.signedWith('a new one')
  await last.ask('room:leave', { room: 'b' })
  await expect.poll(() => backend.words().length, wait).toBe(6)
  expect(backend.unsigned).toEqual([])
}, 120_000)
