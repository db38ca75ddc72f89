import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { refusalOf } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

/** An application that lets everybody do everything, and notes how it was asked. */
async function startApplication() {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json').end('{"allow":true}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  testScope().defer(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/may`, asked }
}

test('keys of tokens and the secret of the webhook are replaced without a restart', async () => {
  const scope = testScope()
  const [application, before, after] = await Promise.all([
    startApplication(),
    createIssuer(scope),
    createIssuer(scope),
  ])
  const keyFile = before.env['JWT_SECRET_FILE'] ?? ''
  const secretFile = join(keyFile, '..', 'authorize')
  await writeFile(secretFile, 'one\n')
  const gateway = await startInProcess(scope, {
    ...before.env,
    AUTHORIZE_URL: application.url,
    AUTHORIZE_SECRET_FILE: secretFile,
  })
  const enter = (token: string) => refusalOf(scope, gateway.url, { auth: { token } })
  const alice = await connectClient(scope, gateway.url, { token: await before.token() })
  await alice.ask('room:join', { room: 'first' })
  expect(new Set(application.asked)).toEqual(new Set(['Bearer one']))

  await writeFile(secretFile, 'two\n')
  await writeFile(keyFile, await readFile(after.env['JWT_SECRET_FILE'] ?? ''))
  const wait = { timeout: 10_000, interval: 100 }
  let room = 0
  const newest = async () => {
    room += 1
    await alice.ask('room:join', { room: `room-${room}` })
    return application.asked.at(-1)
  }
  await expect.poll(newest, wait).toBe('Bearer two')
  const token = await after.token()
  await expect.poll(() => enter(token), wait).toBe('connected')
  expect(await enter(await before.token())).toBe('UNAUTHORIZED')
  expect(await alice.ask('room:join', { room: 'last' })).toMatchObject({ ok: true })
})
