import type { Browser } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { connectClient } from '../support/client.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat, places, type ShownMessage } from './chat-page.ts'

const suite = testScope()
let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser(suite)
})

const allStored = (history: ShownMessage[], count: number) =>
  history.length === count && history.every(({ state }) => /^(stored|received)$/.test(state))

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe('two browsers and one gateway in memory', () => {
  let gateway: GatewayProcess
  beforeAll(async () => {
    gateway = await startGateway(suite, { env: { INSTANCE_ID: 'only-one' } })
  })

  async function openTwo(room: string) {
    const scope = testScope()
    const [ada, grace] = await Promise.all([
      openChat(scope, browser, { url: gateway.url, room, name: 'Ada' }),
      openChat(scope, browser, { url: gateway.url, room, name: 'Grace' }),
    ])
    return { scope, ada, grace }
  }

  test('messages appear on both in one order, with names, and become stored (D1, D3)', async () => {
    const { ada, grace } = await openTwo('order')
    await ada.say('Good morning')
    await grace.waitForHistory((history) => history.length === 1)
    await grace.say('Good morning, Ada')
    await ada.waitForHistory((history) => allStored(history, 2))
    expect(await ada.history()).toEqual([
      { offset: 1, author: 'Ada', text: 'Good morning', state: 'stored' },
      { offset: 2, author: 'Grace', text: 'Good morning, Ada', state: 'received' },
    ])

    await Promise.all([ada.press('Try it'), grace.press('Try it')])
    await Promise.all([ada.press('Send 100 at once'), grace.press('Send 100 at once')])
    const [adas, graces] = await Promise.all([
      ada.waitForHistory((history) => allStored(history, 202)),
      grace.waitForHistory((history) => allStored(history, 202)),
    ])
    expect(places(adas)).toEqual(places(graces))
    expect(adas.map(({ offset }) => offset)).toEqual(numbers(202))

    expect(await ada.fact('instance')).toBe('only-one')
    expect(await ada.fact('transport')).toBe('WebSocket')
    expect(await ada.fact('deliveries')).toBe('In order, each once')
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('who is here is shown, and changes as people come and go', async () => {
    const { scope, ada, grace } = await openTwo('people')
    const here = (page: typeof ada, text: string) =>
      page.page.locator('#members', { hasText: text }).waitFor()
    await Promise.all([here(ada, '2 here'), here(grace, '2 here')])
    expect((await ada.page.locator('#members').getAttribute('title'))?.split(', ').sort()).toEqual([
      'Ada',
      'Grace',
    ])
    const joan = await connectClient(scope, gateway.url, { session: 'joan', name: 'Joan' })
    await joan.ask('room:join', { room: 'people' })
    await Promise.all([here(ada, '3 here'), here(grace, '3 here')])
    await joan.ask('room:leave', { room: 'people' })
    await Promise.all([here(ada, '2 here'), here(grace, '2 here')])
    expect(ada.complaints).toEqual([])
  })

  test('the same id sent again is shown as repeated and stored once (D2)', async () => {
    const { ada, grace } = await openTwo('repeat')
    await ada.say('Only once')
    await ada.waitForHistory((history) => allStored(history, 1))
    await ada.press('Try it')
    await ada.press('Send the last message again')
    await ada.waitForHistory(([first]) => first?.state === 'repeated')
    await ada.say('The next one')
    const shown = await grace.waitForHistory((history) => history.length === 2)
    expect(places(shown)).toEqual(['1 Ada: Only once', '2 Ada: The next one'])
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('after its transport was killed the page resumes, and nothing is missing (D5)', async () => {
    const { ada, grace } = await openTwo('kill')
    await ada.say('Before')
    await ada.waitForHistory((history) => allStored(history, 1))
    await Promise.all([ada.press('Try it'), grace.press('Try it')])
    await ada.press('Kill my connection')
    await grace.press('Send 100 at once')
    await ada.say('From the other side')
    const [adas, graces] = await Promise.all([
      ada.waitForHistory((history) => allStored(history, 102)),
      grace.waitForHistory((history) => allStored(history, 102)),
    ])
    expect(places(adas)).toEqual(places(graces))
    expect(adas.map(({ offset }) => offset)).toEqual(numbers(102))
    expect(await ada.fact('reconnections')).toBe('1')
    expect(await ada.fact('recovery')).toMatch(/^Resumed \d+ messages?$|^Nothing was missed$/)
    expect(await ada.fact('deliveries')).toBe('In order, each once')
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('offline: what was missed comes, what was written goes, also over a reload', async () => {
    const { ada, grace } = await openTwo('offline')
    await ada.press('Try it')
    await ada.press('Go offline')
    await ada.waitForFact('connection-state', 'Offline')
    for (const text of ['One', 'Two', 'Three']) await grace.say(text)
    await grace.waitForHistory((history) => allStored(history, 3))
    await ada.say('Written offline')
    await ada.waitForHistory((history) => history.at(-1)?.state === 'queued')
    await ada.press('Go online')
    await ada.waitForHistory((history) => allStored(history, 4))
    await ada.waitForFact('recovery', /^Resumed [34] messages$/)

    await ada.press('Go offline')
    await ada.say('Written before the reload')
    await ada.waitForFact('waiting', '1')
    await ada.page.reload()
    const shown = await grace.waitForHistory((history) => history.length === 5)
    expect(places(shown).slice(3)).toEqual([
      '4 Ada: Written offline',
      '5 Ada: Written before the reload',
    ])
    await ada.waitForHistory((history) => allStored(history, 5))
    expect((await ada.history()).at(-1)?.state).toBe('stored')
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('who is typing shows to others, and ends with the message', async () => {
    const { ada, grace } = await openTwo('typing')
    const text = ada.page.getByRole('textbox', { name: 'Message', exact: true })
    await text.fill('Thinking')
    // Volatile: an announcement may be lost, and who goes on writing announces it again.
    let seen = false
    const shown = grace.waitForFact('typing', 'Ada is typing…').finally(() => {
      seen = true
    })
    while (!seen) {
      await text.pressSequentially('.')
      await grace.page.waitForTimeout(200)
    }
    await shown
    expect(await ada.fact('typing')).toBe('')
    await ada.page.keyboard.press('Enter')
    await grace.waitForFact('typing', '')
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('rooms: joined, counted while elsewhere, left; the address names the one shown', async () => {
    const { ada, grace } = await openTwo('first')
    await ada.page.getByRole('textbox', { name: 'Name of a room' }).fill('second & last')
    await ada.page.keyboard.press('Enter')
    await ada.page.getByRole('heading', { name: 'second & last' }).waitFor()
    expect(new URL(ada.page.url()).hash).toBe('#room=second+%26+last')
    for (const text of ['One', 'Two', 'Three']) await grace.say(text)
    await ada.page.getByRole('link', { name: 'first, 3 unread' }).click()
    expect(places(await ada.waitForHistory((history) => history.length === 3))).toEqual([
      '1 Grace: One',
      '2 Grace: Two',
      '3 Grace: Three',
    ])
    await ada.page.getByRole('link', { name: 'first', exact: true }).waitFor()
    await ada.page.getByRole('listitem').filter({ hasText: 'second & last' }).hover()
    await ada.press('Leave second & last')
    await ada.page.getByRole('link', { name: 'second & last' }).waitFor({ state: 'detached' })
    expect([...ada.complaints, ...grace.complaints]).toEqual([])
  })

  test('history comes in pages; bodies are text or code, never markup', async () => {
    const scope = testScope()
    const writer = await connectClient(scope, gateway.url, { name: '<b>writer</b>' })
    const bodies: unknown[] = [...numbers(118).map((step) => ({ text: `Step ${step}` }))]
    bodies.push({ text: '<img src="x" alt="markup">' }, { event: 'done', ok: true })
    for (const [index, body] of bodies.entries()) {
      await writer.ask('room:send', { room: 'pages', id: `p${index}`, body })
    }
    const ada = await openChat(scope, browser, { url: gateway.url, room: 'pages', name: 'Ada' })
    for (const count of [50, 100, 120]) {
      await ada.waitForHistory((history) => history.length === count)
      if (count < 120) await ada.scrollUp()
    }
    const shown = await ada.history()
    expect(shown.map(({ offset }) => offset)).toEqual(numbers(120))
    expect(shown.at(-2)).toMatchObject({
      author: '<b>writer</b>',
      text: '<img src="x" alt="markup">',
    })
    await ada.press('Latest')
    expect(await ada.message('"event": "done"').locator('code').count()).toBe(1)
    expect(await ada.page.getByRole('log').getByRole('img').count()).toBe(0)
    expect(ada.complaints).toEqual([])
  })
})

test('without WebSocket the same chat works over polling', async () => {
  const scope = testScope()
  const { url } = await startGateway(scope, { env: { ENABLE_WEBSOCKET_SUPPORT: 'false' } })
  const ada = await openChat(scope, browser, { url, room: 'lobby', name: 'Ada' })
  const grace = await openChat(scope, browser, { url, room: 'lobby', name: 'Grace' })
  await ada.say('Slowly')
  await grace.say('but surely')
  await ada.waitForHistory((history) => allStored(history, 2))
  const shown = await grace.waitForHistory((history) => allStored(history, 2))
  expect(places(shown)).toEqual(places(await ada.history()))
  expect(await ada.fact('transport')).toBe('HTTP polling')
  // The refused attempt is all that the browser may complain of.
  for (const complaint of [...ada.complaints, ...grace.complaints]) {
    expect(complaint).toMatch(/^WebSocket connection to .* failed/)
  }
})

test('at another SOCKET_PATH the page finds the gateway', async () => {
  const scope = testScope()
  const { url } = await startGateway(scope, { env: { SOCKET_PATH: '/live/chat/' } })
  const ada = await openChat(scope, browser, { url, room: 'lobby', name: 'Ada' })
  await ada.say('Found')
  await ada.waitForHistory((history) => allStored(history, 1))
  expect(ada.complaints).toEqual([])
})

test('a frozen Redis: the page says so, keeps the message, and it is stored once (D2, D7)', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { url } = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  const ada = await openChat(scope, browser, { url, room: 'lobby', name: 'Ada' })
  const grace = await openChat(scope, browser, { url, room: 'lobby', name: 'Grace' })
  await ada.say('Before')
  await ada.waitForHistory((history) => allStored(history, 1))

  redis.pause()
  await ada.say('Meanwhile')
  await ada.waitForFact('connection-state', 'Degraded')
  await ada.message('sending again').waitFor()
  redis.resume()
  await ada.waitForFact('connection-state', 'Live')
  const shown = await grace.waitForHistory((history) => history.length >= 2)
  expect(places(shown)).toEqual(['1 Ada: Before', '2 Ada: Meanwhile'])
  await ada.waitForHistory(([, second]) => /^(stored|repeated)$/.test(second?.state ?? ''))
  expect(await ada.fact('reconnections')).toBe('0')
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('Redis lost its data: both pages say that the history was reset (D6)', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const { url } = await startGateway(scope, { env: { REDIS_URL: redis.url() } })
  const ada = await openChat(scope, browser, { url, room: 'lobby', name: 'Ada' })
  const grace = await openChat(scope, browser, { url, room: 'lobby', name: 'Grace' })
  await ada.say('Will be forgotten')
  await grace.waitForHistory((history) => allStored(history, 1))
  const before = await ada.fact('epoch')

  await redis.cli('FLUSHALL')
  await grace.say('A new beginning')
  for (const chat of [ada, grace]) {
    await chat.waitForFact('recovery', 'History was reset')
    const shown = await chat.waitForHistory((history) => allStored(history, 1))
    expect(places(shown)).toEqual(['1 Grace: A new beginning'])
    expect(await chat.fact('epoch')).not.toBe(before)
    expect(chat.complaints).toEqual([])
  }
})
