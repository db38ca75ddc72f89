import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { setting } from '../long/settings.ts'
import { launchBrowser } from '../support/browser.ts'
import { type Client, connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startHaproxy } from '../support/haproxy.ts'
import { startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'
import { type ClientPage, clientPage, openPage, serveClient } from './client-page.ts'

const suite = testScope()
let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser(suite)
})

async function person(scope: Scope): Promise<BrowserContext> {
  const context = await browser.newContext()
  scope.defer(() => context.close())
  await serveClient(context)
  return context
}

const live = (page: ClientPage) =>
  page.waitFor('being live', async () => (await page.status()).state === 'live')
/** The outbox is there, and all that was in it has its answer. */
const settled = (page: ClientPage, timeoutMs = PATIENCE_MS) =>
  page.waitFor(
    'nothing on its way',
    () =>
      page.page.evaluate(() => {
        const { status, outgoing } = window.client
        return (
          status.state !== 'connecting' &&
          outgoing.every((each) => /stored|refused/.test(each.status.kind))
        )
      }),
    timeoutMs,
  )

const queued = async (page: ClientPage) =>
  (await page.outgoing()).filter((line) => line.endsWith(' queued')).length

/** `CLIENT_SENDS=1000 CLIENT_AWAY_SECONDS=30 CLIENT_KILLS=20` are what a long run takes. */
const SENDS = setting('CLIENT_SENDS', 200)
const AWAY_MS = setting('CLIENT_AWAY_SECONDS', 2) * 1000
const KILLS = setting('CLIENT_KILLS', 4)
const PATIENCE_MS = 60_000 + SENDS * 30
/** Of a test that waits for all of this. */
const LIMIT_MS = 60_000 + PATIENCE_MS + AWAY_MS + KILLS * 20_000

/** Bodies of the whole log, in order. */
async function logOf(reader: Client, room: string): Promise<unknown[]> {
  const { messages } = await reader.ask('room:join', { room, limit: 500 })
  for (;;) {
    const before = messages[0]?.offset
    if (before === undefined || before === 1) break
    const earlier = await reader.ask('room:history', { room, before, limit: 500 })
    messages.unshift(...earlier.messages)
  }
  return messages.map(({ body }) => body)
}
const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index + 1}`)

describe('two instances behind HAProxy, over Redis', () => {
  /** One for all tests: what they kill comes back in its place. */
  let redis: RedisServer
  let gateways: GatewayProcess[]
  let url: string
  const start = (port = '0') =>
    startGateway(suite, { env: { REDIS_URL: redis.url(), PORT: port, LOG_LEVEL: 'info' } })
  beforeAll(async () => {
    redis = await startRedis(suite)
    gateways = await Promise.all([start(), start()])
    url = (await startHaproxy(suite, { backends: gateways })).url
  })

  async function open() {
    const scope = testScope()
    const context = await person(scope)
    const page = await openPage(context, url)
    const check = async (room: string, expected: unknown[]) => {
      expect(await logOf(await connectClient(scope, url), room)).toEqual(expected)
    }
    return { scope, context, page, check }
  }

  async function serving(page: ClientPage): Promise<GatewayProcess> {
    const { instance } = await page.status()
    const found = gateways.find((gateway) => gateway.instance === instance)
    if (!found) throw new Error(`no instance ${instance}`)
    return found
  }

  /** Another one takes the place of an instance that has ended. */
  async function replace(gateway: GatewayProcess): Promise<void> {
    await gateway.exited
    gateways[gateways.indexOf(gateway)] = await start(String(gateway.port))
  }

  /** kill -9 */
  async function killServing(page: ClientPage): Promise<void> {
    const gateway = await serving(page)
    gateway.signal('SIGKILL')
    await replace(gateway)
  }

  test(
    'a reload in the middle of sending: all are stored, once, in order (D2, D3)',
    async () => {
      const { page, check } = await open()
      await page.begin('reload')
      await live(page)
      await page.sendMany('early', SENDS)
      expect(await queued(page)).toBeGreaterThan(0) // in the middle, indeed
      await page.page.reload()
      await page.page.locator('body[data-ready]').waitFor()
      await page.sendMany('late', 20)
      await settled(page)
      await check('reload', [...numbered('early', SENDS), ...numbered('late', 20)])
      expect(page.complaints).toEqual([])
    },
    LIMIT_MS,
  )

  test(
    'the serving instance is killed while it is sent to (D1, D2, D5)',
    async () => {
      const { page, check } = await open()
      await page.begin('kill')
      await live(page)
      await page.sendMany('m', SENDS)
      expect(await queued(page)).toBeGreaterThan(0)
      await killServing(page)
      await settled(page)
      await check('kill', numbered('m', SENDS))
      await page.waitFor('all in the list', async () => (await page.messages()).length === SENDS)
      expect(await page.messages()).toEqual(
        numbered('m', SENDS).map((body, at) => `${at + 1} ${body}`),
      )
      const { reconnections } = await page.status()
      expect(reconnections).toBeGreaterThanOrEqual(1)
      const recovered = await page.page.evaluate(() => window.recovered)
      expect(recovered.every((event) => event.recovered)).toBe(true)
      expect(page.complaints).toEqual([])
    },
    LIMIT_MS,
  )

  test(
    'Redis is gone for some seconds: degraded, nothing is lost (D7)',
    async () => {
      const { page, check } = await open()
      await page.begin('outage')
      await live(page)
      await redis.cli('SAVE')
      await redis.kill()
      await page.waitFor('degraded', async () => (await page.status()).state === 'degraded')
      await page.sendMany('m', SENDS)
      expect((await page.outgoing()).length).toBe(SENDS)
      await sleep(AWAY_MS)
      await redis.start()
      await settled(page)
      await live(page)
      await check('outage', numbered('m', SENDS))
      expect(page.complaints).toEqual([])
    },
    LIMIT_MS,
  )

  test(
    'offline pages catch up, and send what was written meanwhile, also over a reload',
    async () => {
      const { scope, page, context, check } = await open()
      const other = await openPage(await person(scope), url)
      await Promise.all([page.begin('offline'), other.begin('offline')])
      await Promise.all([live(page), live(other)])
      await page.sendMany('before', 1)
      await settled(page)
      await context.setOffline(true)
      await page.waitFor('offline', async () => (await page.status()).state === 'offline')
      await other.sendMany('other', 50)
      await settled(other)
      await page.sendMany('mine', SENDS)
      await sleep(AWAY_MS)
      await context.setOffline(false)
      await settled(page)
      await live(page)
      const expected = ['before 1', ...numbered('other', 50), ...numbered('mine', SENDS)]
      await check('offline', expected)
      for (const each of [page, other]) {
        await each.waitFor(
          'all in the list',
          async () => (await each.messages()).length === 51 + SENDS,
        )
        expect(await each.messages()).toEqual(expected.map((body, at) => `${at + 1} ${body}`))
        expect(each.complaints).toEqual([])
      }
      expect(await page.page.evaluate(() => window.recovered.at(-1))).toMatchObject({
        room: 'offline',
        recovered: true,
      })
    },
    LIMIT_MS,
  )

  test(
    'two pages stay identical through kills of their instances (D3, D4, D5)',
    async () => {
      const { scope, page } = await open()
      const other = await openPage(await person(scope), url)
      await Promise.all([page.begin('same'), other.begin('same')])
      await Promise.all([live(page), live(other)])
      for (let round = 1; round <= KILLS; round++) {
        await Promise.all([page.sendMany(`a${round}`, 25), other.sendMany(`b${round}`, 25)])
        await killServing(round % 2 === 0 ? page : other)
        await Promise.all([settled(page), settled(other)])
        await Promise.all([live(page), live(other)])
      }
      for (const each of [page, other]) {
        const all = 50 * KILLS
        await each.waitFor('all', async () => (await each.messages()).length === all)
      }
      expect(await page.messages()).toEqual(await other.messages())
      const [ours, theirs] = await Promise.all(
        [page, other].map((each) => each.page.evaluate(() => window.told)),
      )
      expect(ours).toEqual(theirs)
      expect([...page.complaints, ...other.complaints]).toEqual([])
    },
    LIMIT_MS,
  )

  test(
    'an instance that stops hands its clients over; nobody waits for a time-out (D10)',
    async () => {
      const { page, check } = await open()
      await page.begin('drain')
      await live(page)
      await page.sendMany('m', 50)
      const gateway = await serving(page)
      await gateway.stop()
      await settled(page)
      await live(page)
      expect((await page.status()).instance).not.toBe(gateway.instance)
      await check('drain', numbered('m', 50))
      expect(page.complaints).toEqual([])
    },
    LIMIT_MS,
  )
})

describe('one gateway in memory', () => {
  async function start(env: Record<string, string> = {}) {
    const scope = testScope()
    const gateway = await startInProcess(scope, env)
    const context = await person(scope)
    const page = await openPage(context, gateway.url)
    const reader = () => connectClient(scope, gateway.url)
    return { scope, gateway, context, page, reader }
  }

  test('a duplicated tab does not share the outbox: it gets a session of its own', async () => {
    const { page, context, reader } = await start()
    await page.begin('tabs')
    await live(page)
    await page.page.evaluate(() => window.client.pause())
    await page.sendMany('waits', 3)
    // A window that a page opens begins with a copy of its sessionStorage, as a duplicate does.
    const [popup] = await Promise.all([
      context.waitForEvent('page'),
      page.page.evaluate(() => void window.open(location.href)),
    ])
    const copy = await clientPage(popup, () => undefined)
    await live(copy)
    const sessions = await Promise.all(
      [page, copy].map((each) => each.page.evaluate(() => window.client.session)),
    )
    expect(new Set(sessions).size).toBe(2)
    expect(await copy.outgoing()).toEqual([])
    expect(await logOf(await reader(), 'tabs')).toEqual([])
    await page.page.evaluate(() => window.client.resume())
    await settled(page)
    expect(await logOf(await reader(), 'tabs')).toEqual(numbered('waits', 3))
    expect([...page.complaints, ...copy.complaints]).toEqual([])
  })

  test('a new tab takes over the session, and what it left, of one that was closed', async () => {
    const { page, context, gateway, reader } = await start()
    await page.begin('left')
    await live(page)
    const session = await page.page.evaluate(() => window.client.session)
    await page.page.evaluate(() => window.client.pause())
    await page.sendMany('left', 3)
    await page.page.close()
    const next = await openPage(context, gateway.url)
    // The browser may let go of a closed page's locks a little later.
    const held = () => next.page.evaluate(async () => (await navigator.locks.query()).held?.length)
    await expect.poll(held).toBe(0)
    await next.begin('left')
    await settled(next)
    expect(await next.page.evaluate(() => window.client.session)).toBe(session)
    expect(await logOf(await reader(), 'left')).toEqual(numbered('left', 3))
  })

  test('a full outbox refuses and says so; what waits is sent (D8)', async () => {
    const { page, reader } = await start()
    await page.begin('full', { outbox: { maxMessages: 5 } })
    await live(page)
    const codes = await page.page.evaluate(async () => {
      window.client.pause()
      const sendings = [1, 2, 3, 4, 5, 6].map((number) => window.room.send(number))
      window.client.resume()
      const results = await Promise.allSettled(sendings)
      return results.map((result) => (result.status === 'rejected' ? result.reason.code : 'stored'))
    })
    expect(codes).toEqual(['stored', 'stored', 'stored', 'stored', 'stored', 'OUTBOX_FULL'])
    expect(await logOf(await reader(), 'full')).toEqual([1, 2, 3, 4, 5])
    expect(page.complaints).toEqual([])
  })

  test('what is older than the dedup window is shown as uncertain, until the user decides', async () => {
    const { page, gateway, reader } = await start({ DEDUP_WINDOW: '2s' })
    await page.begin('old')
    await live(page)
    // Stored, but the page goes before it hears of it.
    await page.page.evaluate(() => {
      window.client.socket.onAnyOutgoing((event: string) => {
        if (event === 'room:send') setTimeout(() => window.client.pause())
      })
      void window.room.send('once')
    })
    await page.waitFor('it was sent', async () => (await page.status()).state === 'offline')
    await page.page.evaluate(
      () => new Promise((resolve) => setTimeout(resolve, 2_000)), // the window itself
    )
    await page.begin('elsewhere')
    await live(page)
    const statuses = () =>
      page.page.evaluate(() => window.client.outgoing.map(({ status }) => status.kind))
    await page.waitFor('uncertain', async () => (await statuses()).join() === 'uncertain')
    expect((await logOf(await reader(), 'old')).length).toBeLessThanOrEqual(1)
    await page.page.evaluate(() => {
      const [outgoing] = window.client.outgoing
      if (outgoing) window.client.room(outgoing.room).discard(outgoing.id)
    })
    expect(await statuses()).toEqual([])
    await page.page.reload()
    await page.page.locator('body[data-ready]').waitFor()
    await live(page)
    expect(await statuses()).toEqual([])
    expect(gateway.health().ready).toBe(true)
    expect(page.complaints).toEqual([])
  })

  test('a reload keeps the session; closing ends everything', async () => {
    const { page } = await start()
    await page.begin('reload')
    await live(page)
    const session = () => page.page.evaluate(() => window.client.session)
    const before = await session()
    await page.page.reload()
    await page.page.locator('body[data-ready]').waitFor()
    await live(page)
    expect(await session()).toBe(before)
    const after = await page.page.evaluate(async () => {
      const sending = window.room.send('not any more')
      window.client.pause()
      window.client.close()
      const code = await sending.then(
        () => 'stored',
        (error) => error.code,
      )
      const { held } = await navigator.locks.query()
      return { code, state: window.client.status.state, locks: held?.length }
    })
    expect(after).toEqual({ code: 'CLOSED', state: 'offline', locks: 0 })
    expect(page.complaints).toEqual([])
  })
})
