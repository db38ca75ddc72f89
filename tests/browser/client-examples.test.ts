import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { type Client, connect } from '../../client/connect.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer, seconds } from '../support/issuer.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

/** What the hook needs of React, by its contract: listeners are told, snapshots are compared. */
const REACT = `export const hooks = []
export function useSyncExternalStore(subscribe, snapshot) {
  if (snapshot() !== snapshot()) throw new Error('a snapshot has to be the same until it changes')
  hooks.push(subscribe)
  return snapshot()
}`

/** An example of docs/CLIENT.md, as it stands there but for where it imports from. */
async function example<Module>(scope: Scope, name: string): Promise<Module & { react: string }> {
  const page = await readFile(join(repositoryRoot, 'docs/CLIENT.md'), 'utf8')
  const found = new RegExp(`<!-- example: ${name} -->\n\`\`\`ts\n([^]*?)\`\`\``).exec(page)
  if (!found?.[1]) throw new Error(`docs/CLIENT.md has no example ${name}`)
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-example-'))
  scope.defer(() => rm(dir, { recursive: true }))
  const client = join(repositoryRoot, 'client/connect.ts')
  const text = found[1]
    .replace("'roomwire/client'", `'${client}'`)
    .replace("'react'", "'./react.ts'")
  await writeFile(join(dir, 'react.ts'), REACT)
  await writeFile(join(dir, name), text)
  const module = (await import(pathToFileURL(join(dir, name)).href)) as Module
  return { ...module, react: pathToFileURL(join(dir, 'react.ts')).href }
}

test('the TypeScript example: says what happens, sends, resumes (D1, D5)', async () => {
  const scope = testScope()
  const { url, io } = await startInProcess(scope)
  type Chat = { say(text: string): Promise<void>; close(): void }
  const { openChat } = await example<{
    openChat(url: string, name: string, show: (line: string) => void): Chat
  }>(scope, 'chat.ts')
  const lines: string[] = []
  const chat = openChat(url, 'Ada', (line) => lines.push(line.trim()))
  scope.defer(() => chat.close())
  await chat.say('Hello')
  await eventually(() => lines.includes('Ada: Hello'))
  expect(lines).toContain('stored at 1')
  await chat.say('x'.repeat(100_000))
  expect(lines.at(-1)).toMatch(/^refused: TOO_LARGE/)

  const grace = await connectClient(scope, url, { name: 'Grace' })
  for (const socket of await io.fetchSockets()) {
    if (socket.id !== grace.socket.id) io.sockets.sockets.get(socket.id)?.conn.close()
  }
  await grace.ask('room:send', { room: 'lobby', id: '1', body: 'Meanwhile' })
  await eventually(() => lines.includes('Grace: Meanwhile'))
  // It may have come before the connection ended.
  await eventually(() => lines.some((line) => /^[01] messages came meanwhile$/.test(line)))
})

test('the program example: iterates, in order, until it is told to stop', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const { work } = await example<{
    work(url: string, session: string, handle: (body: unknown) => void): Promise<void>
  }>(scope, 'worker.ts')
  const handled: unknown[] = []
  const working = work(url, 'worker-1', (body) => handled.push(body))
  const writer = await connectClient(scope, url)
  // It yields what comes after it joined.
  await eventually(async () => {
    await writer.ask('room:send', { room: 'jobs', id: `${Math.random()}`, body: 0 })
    return handled.length > 0
  })
  handled.length = 0
  for (const body of [1, 2, 3, 'stop']) {
    await writer.ask('room:send', { room: 'jobs', id: `job ${body}`, body })
  }
  await working
  expect(handled.filter((body) => body !== 0)).toEqual([1, 2, 3])
})

test('the React example: one room, snapshots that change when it does', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const { useRoom, react } = await example<{
    useRoom(client: Client, name: string): ReturnType<Client['room']> & { room: never }
  }>(scope, 'use-room.ts')
  const { hooks } = (await import(react)) as { hooks: ((changed: () => void) => () => void)[] }
  const client = connect(url, { storage: 'memory' })
  scope.defer(() => client.close())

  const first = useRoom(client, 'lobby')
  expect(first.messages).toEqual([])
  let renders = 0
  const unsubscribe = hooks[0]?.(() => {
    renders += 1
  })
  await client.room('lobby').send('Hello')
  await eventually(() => useRoom(client, 'lobby').messages.length === 1)
  await eventually(() => useRoom(client, 'lobby').outgoing.length === 0)
  const rendered = renders
  expect(rendered).toBeGreaterThan(0)
  unsubscribe?.()
  await client.room('lobby').send('Nobody renders this')
  expect(renders).toBe(rendered)
})

test('in Node: memory, no window; everything ends with close', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const client = connect(url, { session: 'program', name: 'Bot' })
  const room = client.room('node', { history: 10 })
  await room.send({ n: 1 })
  await eventually(() => room.messages.length === 1)
  expect(client.status).toMatchObject({ state: 'live', storage: 'memory', user: { name: 'Bot' } })
  expect(client.room('node')).toBe(room)
  expect(() => client.room('')).toThrow('1 to 200 bytes')
  expect(await room.history()).toEqual([])
  const iteration = room[Symbol.asyncIterator]()
  const next = iteration.next()
  client.close()
  expect(await next).toEqual({ done: true, value: undefined })
  expect(client.status.state).toBe('offline')
  expect(room.state).toBe('left')
})

test('over polling, events that come with the answer of a join keep their order (D5)', async () => {
  const scope = testScope()
  const { url, io } = await startInProcess(scope)
  const client = connect(url, { socket: { transports: ['polling'] } })
  scope.defer(() => client.close())
  const room = client.room('polling')
  const told: number[] = []
  room.on('message', ({ offset }) => told.push(offset))
  const writer = await connectClient(scope, url)
  for (let n = 1; n <= 60; n++) {
    await writer.ask('room:send', { room: 'polling', id: `${n}`, body: n })
    if (n % 20 === 0) {
      for (const [id, socket] of io.sockets.sockets) {
        if (id !== writer.socket.id) socket.conn.close()
      }
    }
  }
  await eventually(() => told.length === 60)
  expect(told).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  expect(room.messages.map(({ offset }) => offset)).toEqual(told)
})

test('tokens: a fresh one for every connection; a failing function is called again', async () => {
  const scope = testScope()
  const { url, io } = await startInProcess(scope)
  const seen: unknown[] = []
  io.on('connection', ({ handshake }) => seen.push(handshake.auth['token']))
  let calls = 0
  const client = connect(url, {
    token: async () => {
      calls += 1
      if (calls === 1) throw new Error('the issuer is away')
      return `token ${calls}`
    },
  })
  scope.defer(() => client.close())
  const errors: unknown[] = []
  client.on('state', ({ error }) => errors.push(error?.code))
  await eventually(() => client.status.state === 'live')
  expect(errors).toContain('TOKEN_FAILED')
  io.local.disconnectSockets(true)
  await eventually(() => client.status.state === 'offline') // a server disconnect: stay away
  expect(client.status.error?.code).toBe('SENT_AWAY')
  client.resume()
  await eventually(() => client.status.state === 'live')
  expect(seen).toEqual(['token 2', 'token 3'])
})

test('a new token without the right to a room: the room says so, others go on', async () => {
  const scope = testScope()
  const issuer = await createIssuer(scope)
  const { url } = await startInProcess(scope, issuer.env)
  let rooms = ['kept', 'lost']
  const client = connect(url, {
    token: () => issuer.token({ exp: seconds(3), roomwire: { join: rooms, history: rooms } }),
  })
  scope.defer(() => client.close())
  const [kept, lost] = [client.room('kept'), client.room('lost')]
  await eventually(() => kept.state === 'joined' && lost.state === 'joined')
  rooms = ['kept']
  await eventually(() => lost.state === 'refused')
  expect(lost.error?.code).toBe('FORBIDDEN')
  expect([kept.state, client.status.state, client.status.reconnections]).toEqual([
    'joined',
    'live',
    0,
  ])
})
