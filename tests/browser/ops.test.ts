import type { Browser } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { type Haproxy, startHaproxy } from '../support/haproxy.ts'
import { startInProcess } from '../support/in-process.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'
import { type OpsPage, openOps } from './ops-page.ts'
import { axeFindings } from './watched-page.ts'

const suite = testScope()
let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser(suite)
})

/** What the page promises; what the machine takes on top is not the page's. */
const SHOWN_WITHIN_MS = 3000

async function enter({ page }: OpsPage, token: string): Promise<void> {
  await page.getByLabel('Operator’s token').fill(token)
  await page.getByRole('button', { name: 'Show' }).click()
}

/** Opens the page through the balancer; resolves once it shows both instances. */
async function openAsOperator(scope: Scope, balancer: Haproxy): Promise<OpsPage> {
  const ops = await openOps(scope, browser, balancer.url)
  await enter(ops, 'of the operator')
  await ops.until('two live instances', async () =>
    (await ops.tile('instances')).text.includes('2 live'),
  )
  return ops
}

describe('two instances behind HAProxy', () => {
  /** One for all tests; the last of them ends with a dead instance. */
  let redis: RedisServer
  let gateways: [GatewayProcess, GatewayProcess]
  let balancer: Haproxy
  const start = (instance: string, port = 0) =>
    startGateway(suite, {
      env: {
        REDIS_URL: redis.url(),
        INSTANCE_ID: instance,
        OPERATOR_TOKEN: 'of the operator',
        PORT: String(port),
      },
    })
  beforeAll(async () => {
    redis = await startRedis(suite, { appendonly: 'everysec' })
    gateways = await Promise.all([start('one'), start('two')])
    for (const gateway of gateways) await gateway.ready()
    balancer = await startHaproxy(suite, { backends: gateways })
  })

  /** The instance that answers the page, and the other one. */
  async function sides(ops: OpsPage): Promise<[GatewayProcess, GatewayProcess]> {
    const source = (await ops.page.getByTestId('source').textContent()) ?? ''
    const [one, two] = gateways
    return source.includes(one.instance) ? [one, two] : [two, one]
  }

  test('without the token there is a field for it; a wrong one is refused; the tab keeps it', async () => {
    const scope = testScope()
    const ops = await openOps(scope, browser, balancer.url)
    const why = ops.page.getByTestId('access-why')
    await expect.poll(() => why.textContent(), { timeout: 10_000 }).toMatch(/bearer token/)
    expect(await ops.page.getByTestId('tile-redis-rooms').isVisible()).toBe(false)
    await enter(ops, 'guessed')
    await expect.poll(() => why.textContent(), { timeout: 10_000 }).toMatch(/did not accept/)
    await enter(ops, 'of the operator')
    await ops.page.getByTestId('tile-redis-rooms').waitFor()
    expect(await why.isVisible()).toBe(false)
    await ops.page.reload()
    await ops.until('the page after a reload', async () => {
      return (await ops.tile('redis-rooms')).text.includes('Working')
    })
    expect(await ops.page.evaluate('localStorage.length')).toBe(0)
    // The browser notes the two refusals; nothing else may be amiss.
    for (const complaint of ops.complaints) expect(complaint).toMatch(/status of 40[13]/)
  })

  test('a Redis outage and its end are shown within 3 s, and where it is known', async () => {
    const scope = testScope()
    const ops = await openAsOperator(scope, balancer)
    await redis.kill()
    const tookMs = await ops.until('the outage', async () => {
      const { state, text } = await ops.tile('redis-rooms')
      const [headline, events] = [ops.page.getByTestId('headline'), await ops.events()]
      return (
        state === 'bad' &&
        text.includes('Down (refused)') &&
        (await headline.getAttribute('data-state')) === 'bad' &&
        events.some(({ words }) => words === 'Redis (rooms) lost: refused') &&
        Object.values(await ops.presences()).includes('unknown')
      )
    })
    expect(tookMs).toBeLessThan(SHOWN_WITHIN_MS)

    await redis.start()
    await ops.until('the end of the outage', async () => {
      const kinds = (await ops.events()).map(({ kind }) => kind)
      const { state } = await ops.tile('redis-rooms')
      return state === 'good' && kinds.includes('redis-back')
    })
    await ops.until('both instances again', async () =>
      (await ops.tile('instances')).text.includes('2 live'),
    )
    const silences = (await ops.events()).filter(({ kind }) => kind === 'instance-silent')
    expect(silences).toEqual([])
  })

  test('a reconnect storm is shown within 3 s; charts move, and the numbers are behind them', async () => {
    const scope = testScope()
    const ops = await openAsOperator(scope, balancer)
    const [answering] = await sides(ops)
    const clients = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        connectClient(scope, answering.url, { session: `client ${index}` }),
      ),
    )
    for (const client of clients) await client.ask('room:join', { room: 'r' })
    await ops.until('the connections', async () => (await ops.now('connections')) === 40)
    for (const [index, client] of clients.slice(0, 5).entries()) {
      const send = { room: 'r', id: `${index}`, body: 'x' }
      for (const duplicate of [false, true]) {
        expect(await client.ask('room:send', send)).toMatchObject({ duplicate })
      }
    }
    for (const figure of ['stored', 'storedAll', 'delivered', 'duplicates', 'sendP99']) {
      await ops.until(figure, async () => /[1-9]/.test(await ops.highest(figure)))
    }
    const drawn = (chart: string) =>
      ops.page.evaluate<string>(
        `document.querySelector('[data-chart="${chart}"] canvas').toDataURL()`,
      )
    const before = await drawn('connections')

    for (const { socket } of clients) socket.io.engine.close()
    const tookMs = await ops.until('the storm', async () => {
      const told = (await ops.events()).some(({ kind }) => kind === 'storm')
      return told && /[1-9]/.test(await ops.highest('back_transport_close'))
    })
    expect(tookMs).toBeLessThan(SHOWN_WITHIN_MS)
    expect(await drawn('connections')).not.toBe(before)
    await ops.until('the end of the storm', async () => {
      const events = await ops.events()
      return events.some(({ words }) => words.startsWith('Reconnect storm over: 40'))
    })

    const chart = ops.page.locator('[data-chart="reconnections"]')
    await chart.getByText('Numbers, second by second').focus()
    await ops.page.keyboard.press('Enter')
    const rows = await chart.locator('.numbers tbody tr').allTextContents()
    expect(rows.length).toBeGreaterThan(5)
    expect(rows.some((row) => /^\d\d:\d\d:\d\d[1-9]/.test(row))).toBe(true)
    for (const complaint of ops.complaints) expect(complaint).toMatch(/status of 401/)
  })

  test('an instance killed with -9 is shown within 3 s, also when it was the one that answered', async () => {
    const scope = testScope()
    const ops = await openAsOperator(scope, balancer)
    const [answering, other] = await sides(ops)
    other.signal('SIGKILL')
    const tookMs = await ops.until('the silence', async () => {
      const { state, text } = await ops.tile('instances')
      const silent = (await ops.presences())[other.instance] === 'silent'
      const told = (await ops.events()).some(
        ({ kind, words }) => kind === 'instance-silent' && words.startsWith(other.instance),
      )
      return silent && told && state === 'bad' && text.includes(`Silent: ${other.instance}`)
    })
    expect(tookMs).toBeLessThan(SHOWN_WITHIN_MS)

    const back = await start(other.instance, other.port)
    await ops.until('its return', async () => {
      return (await ops.events()).some(({ words }) => words.endsWith('is back as a new process'))
    })
    await balancer.waitForState(gateways.indexOf(other) + 1, 'UP')
    answering.signal('SIGKILL')
    await ops.until('the other one answering', async () => {
      const source = await ops.page.getByTestId('source').textContent()
      const presences = await ops.presences()
      return source === `As ${back.instance} sees it` && presences[answering.instance] === 'silent'
    })
  })
})

test('through a proxy, an instance that has no token asks for none, and says what to do', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope)
  const extraHTTPHeaders = { 'x-forwarded-for': '192.0.2.1' }
  const ops = await openOps(scope, browser, gateway.url, { extraHTTPHeaders })
  const why = ops.page.getByTestId('access-why')
  await expect.poll(() => why.textContent(), { timeout: 10_000 }).toMatch(/set OPERATOR_TOKEN/)
  expect(await ops.page.getByLabel('Operator’s token').isVisible()).toBe(false)
})

test('a Redis that works and keeps nothing on its disk is not well', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const gateway = await startInProcess(scope, { REDIS_URL: redis.url() })
  const ops = await openOps(scope, browser, gateway.url)
  const isSaid = async () => (await ops.tile('redis-rooms')).text.includes('Not on its disk')
  await ops.until('the warning', isSaid)
  await ops.page.getByText('Redis for rooms: not on its disk').waitFor()
})

test.each([
  ['light', 1280],
  ['dark', 1280],
  ['dark', 390],
] as const)('axe finds nothing amiss: %s, %i pixels wide', async (colorScheme, width) => {
  const scope = testScope()
  const gateway = await startInProcess(scope)
  const viewport = { width, height: 900 }
  const ops = await openOps(scope, browser, gateway.url, { colorScheme, viewport })
  await ops.page.getByText('All is well').waitFor()
  for (const summary of await ops.page.locator('summary').all()) await summary.click()
  const rows = ops.page.locator('[data-chart="loop"] .numbers tbody tr')
  await ops.until('numbers', async () => (await rows.count()) > 1)
  expect(await axeFindings(ops)).toEqual([])
  // Wider than the screen is only what scrolls by itself.
  const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  expect(await ops.page.evaluate(overflow)).toBe(0)

  // The other colours by the switch, and the state in which everybody looks.
  await ops.page.getByLabel('Colours').selectOption(colorScheme === 'dark' ? 'light' : 'dark')
  await gateway.stop()
  await ops.page.getByText('No answer from the gateway').waitFor()
  expect(await axeFindings(ops)).toEqual([])
})

test('colours chosen on one page are those of the other, and the charts have them', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const ops = await openOps(scope, browser, url, { colorScheme: 'light' })
  const { page } = ops
  await page.getByText('All is well').waitFor()
  const line = () =>
    page.evaluate<string>(
      "getComputedStyle(document.documentElement).getPropertyValue('--colour-1')",
    )
  const light = await line()
  await page.getByLabel('Colours').selectOption('dark')
  const dark = await line()
  expect([light, dark]).toEqual(['rgb(11, 107, 98)', 'rgb(79, 195, 181)'])

  await page.goto(url)
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada')
  await page.keyboard.press('Enter')
  const toggle = page.getByRole('button', { name: 'Dark theme' })
  expect(await toggle.getAttribute('aria-pressed')).toBe('true')
  await toggle.click()
  await page.goto(`${url}/ops`)
  expect(await page.getByLabel('Colours').inputValue()).toBe('light')
  await page.getByLabel('Colours').selectOption('system')
  await page.emulateMedia({ colorScheme: 'dark' })
  expect(await line()).toBe(dark)
  expect(ops.complaints).toEqual([])
})

test.each([390, 768, 1280])(
  '%i pixels wide: what is known of an instance fits, with its headings',
  async (width) => {
    const scope = testScope()
    const instance = 'gateway-deployment-7f9c6b5d4-x2x9q-europe-west'
    const { url } = await startInProcess(scope, { INSTANCE_ID: instance })
    const { page } = await openOps(scope, browser, url, { viewport: { width, height: 900 } })
    const row = page.getByRole('row', { name: instance })
    await row.waitFor()
    const cut = `[...document.querySelectorAll('.instances, .instances tbody *')]
    .concat(document.querySelector('.instances').parentElement)
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent)`
    expect(await page.evaluate(cut)).toEqual([])
    const heads = await row
      .getByRole('cell')
      .evaluateAll((cells) =>
        cells.map((cell) => (cell as unknown as { dataset: { head: string } }).dataset.head),
      )
    expect([heads[0], heads.at(-1)]).toEqual(['State', 'Version'])
    // Still a table to who does not see it.
    expect(await page.getByRole('columnheader', { name: 'Reconnects /s' }).count()).toBe(1)
  },
)

test('axe finds nothing amiss with the field for the token', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope, { OPERATOR_TOKEN: 'secret' })
  for (const colorScheme of ['light', 'dark'] as const) {
    const ops = await openOps(scope, browser, gateway.url, { colorScheme })
    await ops.page.getByLabel('Operator’s token').waitFor()
    expect(await axeFindings(ops)).toEqual([])
  }
})
