import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, type LogEntry, startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import {
  aclUser,
  cluster,
  type RotatingRedis,
  sentinel,
  standalone,
  type Topology,
} from '../support/rotating-redis.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const topologies: readonly Topology[] = [standalone, aclUser, sentinel, cluster]

const ROTATIONS = Number(process.env['ROTATIONS'] ?? 2)
const INSTANCES = ['one', 'two'] as const
const SENDERS = 6
const PAUSE_MS = 15
const PATIENCE_MS = 30_000
const CHANGED = /^Redis password changed/
const REFUSED = /^Redis refuses the new password/

const newPassword = () => randomBytes(24).toString('base64')

interface Setting {
  redis: RotatingRedis
  gateways: readonly GatewayProcess[]
  /** Every password there was, and the one that is valid. */
  passwords: string[]
  valid: string
  /** What a gateway wrote since `begin`, which is called where a test begins. */
  lines(gateway: GatewayProcess, text: RegExp): LogEntry[]
  begin(): void
  /** Into the file that the gateways watch, in one step or by writing over it. */
  write(password: string, how?: 'rename' | 'overwrite'): void
  /** Each gateway has written so many of these lines since the beginning. */
  wrote(text: RegExp, count: number): Promise<void>
}

async function arrange(scope: Scope, topology: Topology): Promise<Setting> {
  const first = newPassword()
  const redis = await topology.start(scope, first)
  const dir = mkdtempSync(join(tmpdir(), 'roomwire-rotation-'))
  scope.defer(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'password')
  const passwords: string[] = []
  const write: Setting['write'] = (password, how = 'rename') => {
    passwords.push(password)
    if (how === 'overwrite') return writeFileSync(file, `${password}\n`)
    writeFileSync(`${file}.new`, `${password}\n`)
    renameSync(`${file}.new`, file)
  }
  write(first)
  const env = { ...redis.env, WEBSOCKET_REDIS_PASSWORD_FILE: file, LOG_LEVEL: 'info' }
  const gateways = await Promise.all(
    INSTANCES.map((instance) => startGateway(scope, { env: { ...env, INSTANCE_ID: instance } })),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  let begun = gateways.map(() => 0)
  const lines: Setting['lines'] = (gateway, text) =>
    gateway.logs.slice(begun[gateways.indexOf(gateway)]).filter(({ msg }) => text.test(msg))
  const wrote: Setting['wrote'] = (text, count) =>
    eventually(() => gateways.every((gateway) => lines(gateway, text).length >= count), {
      ...{ what: `${count} times ${text}`, timeoutMs: PATIENCE_MS },
    }).then(() => undefined)
  const begin = () => {
    begun = gateways.map(({ logs }) => logs.length)
  }
  return { redis, gateways, passwords, valid: first, lines, begin, write, wrote }
}

/** Clients that send, each as fast as it is answered, into one room that all are in. */
async function startLoad(scope: Scope, gateways: readonly GatewayProcess[]) {
  const room = `busy-${randomUUID()}`
  const clients = await Promise.all(
    Array.from({ length: SENDERS }, (_, index) =>
      connectClient(scope, gateways[index % gateways.length]?.url ?? ''),
    ),
  )
  for (const client of clients) await client.ask('room:join', { room })
  const stored: string[] = []
  const errors: unknown[] = []
  let going = true
  const sending = clients.map(async (client) => {
    while (going) {
      const id = randomUUID()
      const reply = await client.request('room:send', { room, id, body: id }).catch(String)
      if (typeof reply === 'object' && reply.ok) stored.push(id)
      else errors.push(reply)
      await sleep(PAUSE_MS)
    }
  })
  return {
    /** Ends it; what clients saw until then. */
    async finish() {
      going = false
      await Promise.all(sending)
      const whole = () => clients.every((client) => client.messages(room).length >= stored.length)
      await eventually(whole, { what: 'every message at every member' })
      return {
        ...{ stored: stored.length, errors },
        disconnects: clients.flatMap((client) => client.received('disconnect')),
        troubles: clients.flatMap((client) => client.received('gateway:status')),
        /** Of each member: what it has is what was stored, once, in order. */
        whole: clients.map((client) => {
          const messages = client.messages(room)
          const inOrder = messages.every(({ offset }, index) => offset === index + 1)
          const ids = new Set(messages.map(({ id }) => id))
          return inOrder && ids.size === stored.length && stored.every((id) => ids.has(id))
        }),
      }
    },
  }
}

/** The connections that last: one that asked a node for its topology may just be ending. */
function standing(redis: RotatingRedis): Promise<string[]> {
  return eventually(async () => {
    const seen = await redis.connections()
    await sleep(200)
    return isDeepStrictEqual(seen, await redis.connections()) ? seen : undefined
  })
}

function neverShown({ gateways, passwords }: Setting): void {
  const output = gateways.flatMap((gateway) => gateway.output).join('\n')
  for (const password of passwords) expect(output).not.toContain(password)
}

/** Log-ins by outcome, of a role at an instance. */
const rotationsOf = ({ url }: GatewayProcess, role: string, outcome: string) =>
  readMetric(url, 'roomwire_redis_rotations_total', { role, outcome })

describe.each(topologies)('$title', (topology) => {
  const suite = testScope()
  let setting: Setting
  beforeAll(async () => {
    setting = await arrange(suite, topology)
  })
  beforeEach(() => setting.begin())

  test(`D7: ${ROTATIONS} rotations under load, in both orders: no error, no reconnect, nothing lost`, async () => {
    const { redis, gateways, lines, write, wrote } = setting
    const accepted = () =>
      Promise.all(
        gateways.flatMap((gateway) =>
          ['rooms', 'cache'].map((role) => rotationsOf(gateway, role, 'accepted')),
        ),
      )
    const acceptedBefore = await accepted()
    const before = await standing(redis)
    const load = await startLoad(testScope(), gateways)

    for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
      const former = setting.valid
      const next = newPassword()
      const fileFirst = rotation % 2 === 0
      if (fileFirst) {
        write(next, 'overwrite')
        await wrote(REFUSED, rotation / 2)
        await redis.accept(next)
      } else {
        await redis.accept(next)
        write(next)
      }
      setting.valid = next
      await wrote(CHANGED, rotation)
      await redis.retire(former)
    }

    const seen = await load.finish()
    expect(seen).toMatchObject({ errors: [], disconnects: [], troubles: [] })
    expect(seen.whole).toEqual(Array.from({ length: SENDERS }, () => true))
    expect(seen.stored).toBeGreaterThan(ROTATIONS * SENDERS)
    console.log(`${topology.title}: ${ROTATIONS} rotations, ${seen.stored} messages, 0 errors`)
    expect(await standing(redis)).toEqual(before)
    for (const gateway of gateways) {
      expect(lines(gateway, /^Redis connection failed/)).toEqual([])
      expect(lines(gateway, REFUSED)).toHaveLength(ROTATIONS / 2)
    }
    expect(await accepted()).toEqual(acceptedBefore.map((count) => count + ROTATIONS))

    // Whoever comes back later has the newest password, since no other one is valid.
    await comeBack(setting)
    neverShown(setting)
  })

  test('a password that Redis refuses: nobody is dropped, later connections have the one before', async () => {
    const { redis, gateways, valid, lines, write, wrote } = setting
    const [gateway] = gateways as [GatewayProcess]
    const client = await connectClient(testScope(), gateway.url)
    const before = await standing(redis)
    const refusals = () => rotationsOf(gateway, 'rooms', 'refused')
    const refusalsBefore = await refusals()

    write(newPassword())
    await wrote(REFUSED, 1)
    expect(await standing(redis)).toEqual(before)
    await eventually(async () => (await refusals()) >= refusalsBefore + 3, {
      what: 'further attempts',
    })
    expect(lines(gateway, REFUSED)).toHaveLength(1)
    expect(lines(gateway, REFUSED)[0]).toMatchObject({
      level: 40,
      variable: 'WEBSOCKET_REDIS_PASSWORD_FILE',
      msg: expect.stringContaining('put the one before back'),
    })

    await comeBack(setting)
    expect(await client.request('room:send', { room: 'r', id: '1', body: 1 })).toMatchObject({
      ok: true,
    })

    write(valid)
    await wrote(CHANGED, 1)
    expect(client.received('disconnect')).toEqual([])
    neverShown(setting)
  })
})

test('SIGHUP reads the file at once, and ends nobody', async () => {
  const scope = testScope()
  const setting = await arrange(scope, aclUser)
  const { redis, gateways, write, wrote } = setting
  const next = newPassword()
  await redis.accept(next)
  write(next)
  for (const gateway of gateways) gateway.signal('SIGHUP')
  await wrote(/^reading the files of secrets again/, 1)
  await wrote(CHANGED, 1)
  for (const gateway of gateways) expect(gateway.running).toBe(true)
})

test('a file that is empty or gone for a moment changes nothing, and is told of', async () => {
  const scope = testScope()
  const setting = await arrange(scope, aclUser)
  const { redis, gateways, passwords, lines, write, wrote } = setting
  const before = await standing(redis)
  write('', 'overwrite')
  await wrote(/WEBSOCKET_REDIS_PASSWORD_FILE cannot be used \(empty/, 1)
  write(String(passwords[0]))
  await wrote(/WEBSOCKET_REDIS_PASSWORD_FILE can be read again/, 1)
  for (const gateway of gateways) {
    expect(await isOk(gateway)).toBe(true)
    expect(lines(gateway, CHANGED)).toEqual([])
  }
  expect(await standing(redis)).toEqual(before)
})

test('a wrong password at the start is mended by writing the file', async () => {
  const scope = testScope()
  const password = newPassword()
  const redis = await aclUser.start(scope, password)
  const dir = mkdtempSync(join(tmpdir(), 'roomwire-rotation-'))
  scope.defer(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'password')
  writeFileSync(file, 'mistyped')
  const gateway = await startGateway(scope, {
    env: { ...redis.env, WEBSOCKET_REDIS_PASSWORD_FILE: file },
  })
  await gateway.waitForLog(({ kind }) => kind === 'wrongpass')
  writeFileSync(file, password)
  await gateway.ready(PATIENCE_MS)
})

/** Every connection ends, and there are as many again. */
async function comeBack({ redis, gateways }: Setting): Promise<void> {
  const before = await standing(redis)
  await redis.cutConnections()
  const back = async () => {
    const now = await redis.connections()
    return now.length === before.length && !now.some((id) => before.includes(id))
  }
  await eventually(back, { what: 'new connections', timeoutMs: PATIENCE_MS })
  for (const gateway of gateways) {
    await eventually(() => isOk(gateway), { what: 'status ok', timeoutMs: PATIENCE_MS })
  }
}

async function isOk(gateway: GatewayProcess): Promise<boolean> {
  const { status } = (await (await fetch(`${gateway.url}/health`)).json()) as { status: string }
  return status === 'ok'
}
