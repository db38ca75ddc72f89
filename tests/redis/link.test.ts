import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../server/broker/redis/client.ts'
import { RedisFailure } from '../../server/broker/redis/failure.ts'
import type { LinkState, RedisLink } from '../../server/broker/redis/link.ts'
import { createRoomsProbe, type Probe } from '../../server/broker/redis/probes.ts'
import { createRedisLink } from '../../server/broker/redis/server-link.ts'
import { makeCertificates } from '../support/certificates.ts'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { createScope, type Scope } from '../support/scope.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

interface Followed extends RedisLink {
  /** Every state it went through. */
  readonly states: readonly string[]
  readonly restored: number
}

/** A link to an address; it closes with the scope. */
function openLink(
  scope: Scope,
  address: { host: string; port: number; tls?: Endpoint['tls'] },
  probe: Probe = createRoomsProbe(randomUUID()),
): Followed {
  const states: string[] = []
  let restored = 0
  const link = createRedisLink({
    role: 'rooms',
    endpoint: () => ({
      host: address.host,
      port: address.port,
      database: 0,
      username: undefined,
      password: undefined,
      tls: address.tls,
    }),
    probe,
    observer: {
      failed: () => undefined,
      changed: (state) => void states.push(nameOf(state)),
      probed: () => undefined,
    },
  })
  scope.defer(() => link.close())
  link.onRestored(() => {
    restored += 1
  })
  return Object.defineProperties(link, {
    states: { value: states },
    restored: { get: () => restored },
  }) as Followed
}

function nameOf(state: LinkState): string {
  return state.name === 'down' ? state.kind : state.name
}

/** On a busy machine the very first probe may be late, which is not what these tests are about. */
function sinceFirstOk({ states }: Followed): readonly string[] {
  return states.slice(states.indexOf('ok'))
}

interface Setting {
  scope: Scope
  redis: RedisServer
  proxy: TcpProxy
  link: Followed
}

/** A link that works, through a proxy, to a Redis of its own. */
async function arrange(onTestFinished: (cleanup: () => Promise<void>) => void): Promise<Setting> {
  const scope = createScope()
  onTestFinished(() => scope.close())
  const redis = await startRedis(scope, { rights: 'all' })
  const proxy = await startTcpProxy(scope, { target: redis })
  const link = openLink(scope, proxy)
  await link.ready
  return { scope, redis, proxy, link }
}

/** The failure of a command that has to fail. */
async function failureOf(command: Promise<unknown>): Promise<RedisFailure> {
  const error = await command.then(
    () => new Error('it succeeded'),
    (failure: unknown) => failure,
  )
  if (!(error instanceof RedisFailure)) throw error
  return error
}

/** What a channel brings, oldest first. */
async function listen(link: RedisLink, channel: string): Promise<string[]> {
  const heard: string[] = []
  // One that fails as the connection ends is made by the next connection.
  await link
    .subscribe(channel, (message) => void heard.push(message.toString()))
    .catch(() => undefined)
  return heard
}

describe.concurrent('the Redis link', () => {
  test('D7: commands to a frozen server settle, their outcome unknown; later ones are refused at once', async ({
    onTestFinished,
  }) => {
    const { redis, link } = await arrange(onTestFinished)
    redis.pause()
    const sent = Array.from({ length: 100 }, () => failureOf(link.command(['INCR', 'counter'])))
    for (const failure of await Promise.all(sent)) {
      expect(failure).toMatchObject({ kind: 'timeout', outcomeUnknown: true })
    }
    expect(link.state).toMatchObject({ name: 'down', kind: 'timeout' })

    const refused = link.command(['INCR', 'counter']).catch((failure: unknown) => failure)
    expect(await Promise.race([refused, nextTurn('waits')])).toMatchObject({
      kind: 'timeout',
      outcomeUnknown: false,
    })

    redis.resume()
    await eventually(() => link.state.name === 'ok')
    // Unknown was the truth: they had arrived. The one that was refused had not.
    expect(await link.command(['GET', 'counter'])).toBe('100')
  })

  test('a peer that takes everything and answers nothing is replaced', async ({
    onTestFinished,
  }) => {
    const { proxy, link } = await arrange(onTestFinished)
    const before = proxy.accepted
    proxy.halfOpen('toClient')
    expect(await failureOf(link.command(['PING']))).toMatchObject({ kind: 'timeout' })
    // Both connections, as neither can be trusted.
    await eventually(() => proxy.accepted >= before + 2, { what: 'new connections' })
    await proxy.heal()
    await eventually(() => link.state.name === 'ok')
    expect(await link.command(['PING'])).toBe('PONG')
    expect(sinceFirstOk(link)).toEqual(['ok', 'timeout', 'ok'])
    expect(link.restored).toBe(2)
  })

  test('D4: subscriptions are restored before it says so, with those made meanwhile', async ({
    onTestFinished,
  }) => {
    const { redis, proxy, link } = await arrange(onTestFinished)
    const early = await listen(link, 'early')
    const left = await listen(link, 'left')
    await proxy.cut()
    await eventually(() => link.state.name === 'down')
    const meanwhile = await listen(link, 'meanwhile')
    await link.unsubscribe('left')

    const restored = new Promise<string>((resolve, reject) => {
      link.onRestored(() => {
        redis.cli('PUBSUB', 'CHANNELS').then(resolve, reject)
      })
    })
    await proxy.heal()
    const channels = (await restored).split('\n')
    expect(channels).toEqual(expect.arrayContaining(['early', 'meanwhile']))
    expect(channels).not.toContain('left')
    for (const channel of ['left', 'early', 'meanwhile']) await redis.cli('PUBLISH', channel, '1')
    await eventually(() => early.length > 0 && meanwhile.length > 0)
    expect([early, meanwhile, left]).toEqual([['1'], ['1'], []])
  })

  test('D4: a subscriber that Redis cuts off comes back each time', async ({ onTestFinished }) => {
    const { redis, link } = await arrange(onTestFinished)
    const heard = await listen(link, 'room')
    for (let round = 1; round <= 3; round++) {
      expect(link.restored).toBe(round)
      // As for a slow reader; the connection for commands stays.
      expect(await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe('1')
      const added = await listen(link, `added${round}`)
      await eventually(() => link.restored === round + 1, { what: 'onRestored' })
      await redis.cli('PUBLISH', 'room', String(round))
      await redis.cli('PUBLISH', `added${round}`, 'x')
      await eventually(() => heard.length === round && added.length === 1)
    }
    expect(heard).toEqual(['1', '2', '3'])
  })

  test('a nonce that is lost with its connection is not waited for, however busy the next one is', async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const redis = await startRedis(scope, { rights: 'all' })
    const rooms = createRoomsProbe(randomUUID())
    let losses = 0
    const link = openLink(scope, redis, {
      tag: rooms.tag,
      channel: rooms.channel,
      async run(command, nonce, thorough) {
        if (losses === 1) {
          losses += 1
          await command(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
        }
        return rooms.run(command, nonce, thorough)
      },
    })
    await link.ready
    const heard = await listen(link, 'busy')
    const traffic = setInterval(() => {
      link.command(['PUBLISH', 'busy', 'x']).catch(() => undefined)
    }, 20)
    scope.defer(() => clearInterval(traffic))
    await eventually(() => heard.length > 0)

    losses = 1
    await eventually(() => link.restored === 2, { what: 'onRestored' })
    expect(sinceFirstOk(link)).toEqual(['ok', 'closed', 'ok'])
  })

  test('D7: while there is no server, commands are refused at once and nothing is queued', async ({
    onTestFinished,
  }) => {
    const { proxy, link } = await arrange(onTestFinished)
    await proxy.cut()
    await eventually(() => nameOf(link.state) === 'refused')
    const refused = link.command(['INCR', 'counter']).catch((failure: unknown) => failure)
    expect(await Promise.race([refused, nextTurn('waits')])).toMatchObject({
      kind: 'refused',
      outcomeUnknown: false,
    })
    await proxy.heal()
    await eventually(() => link.state.name === 'ok')
    expect(await link.command(['GET', 'counter'])).toBeNull()
  })

  test('a command that Redis refuses has a known outcome, and does not concern others', async ({
    onTestFinished,
  }) => {
    const { link } = await arrange(onTestFinished)
    const failure = await failureOf(link.command(['NO-SUCH-COMMAND']))
    expect(failure).toMatchObject({ kind: 'other', outcomeUnknown: false })
    expect(await link.command(['PING'])).toBe('PONG')
    expect(sinceFirstOk(link)).toEqual(['ok'])
  })

  test('where it connects to, and as whom, is asked for at every attempt', async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const redis = await startRedis(scope, { rights: 'all' })
    const address = { host: '127.0.0.1', port: await freePort() }
    const link = openLink(scope, address)
    await eventually(() => nameOf(link.state) === 'refused')
    address.port = redis.port
    await link.ready
    expect(link.states).toEqual(['refused', 'ok'])
  })

  test('without an answer to TLS, a frozen server is told from one without TLS', async ({
    onTestFinished,
  }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const files = await makeCertificates(scope)
    const [frozen, plain] = await Promise.all([
      startRedis(scope, { rights: 'all', tls: files }),
      startRedis(scope, { rights: 'all' }),
    ])
    frozen.pause()
    const tls = {
      ca: await readFile(files.caFile, 'utf8'),
      cert: undefined,
      key: undefined,
      serverName: undefined,
    }
    const links = [frozen, plain].map(({ host, port }) => openLink(scope, { host, port, tls }))
    await eventually(() => links.every(({ state }) => state.name === 'down'))
    expect(links.map(({ state }) => nameOf(state))).toEqual(['timeout', 'tls'])
    expect(links[1]?.state).toMatchObject({ message: expect.stringContaining('write redis://') })
    frozen.resume()
    await links[0]?.ready
  })

  test('closing ends its connections, also those being made', async ({ onTestFinished }) => {
    const scope = createScope()
    onTestFinished(() => scope.close())
    const [redis, frozen] = await Promise.all([
      startRedis(scope, { rights: 'all' }),
      startRedis(scope, { rights: 'all' }),
    ])
    frozen.pause()
    // A process of its own: with nothing left to wait for, it ends by itself.
    const source = `
      import { setTimeout as sleep } from 'node:timers/promises'
      const { createRedisLink } = await import('./dist/server/broker/redis/server-link.js')
      const { createRoomsProbe } = await import('./dist/server/broker/redis/probes.js')
      const open = (port, tls) => createRedisLink({
        role: 'rooms', probe: createRoomsProbe('k'),
        endpoint: () => ({ host: '127.0.0.1', port, database: 0, tls }),
        observer: { failed() {}, changed() {}, probed() {} },
      })
      const [works, refused] = [open(${redis.port}), open(${await freePort()})]
      const [greeting, handshake] = [open(${frozen.port}), open(${frozen.port}, {})]
      await works.ready
      while (refused.state.name !== 'down') await sleep(5)
      for (const link of [works, refused, greeting, handshake]) link.close()
      const after = await works.command(['PING']).catch((failure) => failure.kind)
      await sleep(50)
      const left = process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name))
      process.on('exit', (code) => console.log('ended', code, after, left.length))`
    const args = ['--input-type=module', '--eval', source]
    const child = await startChild(scope, process.execPath, args, { cwd: repositoryRoot })
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(child.lines).toEqual(['ended 0 closed 0'])
  })
})
