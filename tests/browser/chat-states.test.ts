import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat, places } from './chat-page.ts'

const suite = testScope()
let browser: Browser
let gateway: GatewayProcess
beforeAll(async () => {
  browser = await launchBrowser(suite)
  gateway = await startGateway(suite, { env: { MAX_BODY_BYTES: '200' } })
})

const open = (room: string, name = 'Ada') =>
  openChat(testScope(), browser, { url: gateway.url, room, name })

test('queued while offline, then stored (D1)', async () => {
  const ada = await open('queued')
  await ada.press('Try it')
  await ada.press('Go offline')
  await ada.say('Waits')
  await ada.message('queued').waitFor()
  await ada.waitForFact('waiting', '1')
  await ada.press('Go online')
  await ada.waitForHistory(([first]) => first?.state === 'stored' && first.offset === 1)
  await ada.message('stored').waitFor()
  expect(await ada.fact('waiting')).toBe('0')
  expect(ada.complaints).toEqual([])
})

test('refused: the row says why, and lets one mend or discard the message', async () => {
  const ada = await open('refused')
  const long = 'far too long '.repeat(20).trim()
  await ada.say(long)
  await ada.message('refused: too long (').waitFor()
  await ada.press('Edit')
  const text = ada.page.getByRole('textbox', { name: 'Message', exact: true })
  expect(await text.inputValue()).toBe(long)
  await ada.waitForHistory((history) => history.length === 0)

  await ada.page.keyboard.press('Enter')
  await ada.waitForHistory(([first]) => first?.state === 'refused')
  await ada.press('Discard')
  await ada.waitForHistory((history) => history.length === 0)
  await ada.say('Short')
  await ada.waitForHistory(([first]) => first?.state === 'stored')
  expect(places(await ada.history())).toEqual(['1 Ada: Short'])
  expect(ada.complaints).toEqual([])
})

test('uncertain: the row asks whether to send again or to discard, and does it (D2, D7)', async () => {
  const scope = testScope()
  const redis = await startRedis(scope)
  const env = { REDIS_URL: redis.url(), DEDUP_WINDOW: '3s' }
  const { url } = await startGateway(scope, { env })
  const ada = await openChat(scope, browser, { url, room: 'uncertain', name: 'Ada' })
  const row = ada.message('uncertain: it may have arrived, or not')
  await ada.say('Certain')
  await ada.waitForHistory(([first]) => first?.state === 'stored')

  redis.pause()
  await ada.say('Perhaps')
  await row.waitFor()
  expect(await row.getByRole('button').allTextContents()).toEqual(['Send again', 'Discard'])
  // In words of people, not of the wire.
  const notice = await ada.fact('notice')
  expect(notice).toMatch(/its message store does not answer in time/)
  expect(notice).not.toMatch(/redis_/)
  await row.getByRole('button', { name: 'Send again' }).click()
  await ada.waitForHistory((history) => /^(queued|sending)$/.test(history[1]?.state ?? ''))
  redis.resume()
  await ada.waitForFact('connection-state', 'Live')
  const stored = await ada.waitForHistory(
    (history) =>
      history.some(({ text }) => text === 'Perhaps') &&
      history.every(({ state }) => /^(stored|repeated)$/.test(state)),
  )

  redis.pause()
  await ada.say('Maybe')
  await row.waitFor()
  await row.getByRole('button', { name: 'Discard' }).click()
  await ada.waitForHistory((history) => history.length === stored.length)
  // Discarding is forgetting: what the frozen Redis had taken in is there all the same, once.
  redis.resume()
  await ada.waitForFact('connection-state', 'Live')
  await ada.say('Afterwards')
  const last = await ada.waitForHistory((history) => history.at(-1)?.state === 'stored')
  expect(last.filter(({ text }) => text === 'Maybe').length).toBeLessThanOrEqual(1)
  expect(last.every(({ state }) => /^(stored|repeated)$/.test(state))).toBe(true)
  expect(ada.complaints).toEqual([])
})

test('labels that a gateway gives later show at their message', async () => {
  const scope = testScope()
  const labelling = await startInProcess(scope)
  const ada = await openChat(scope, browser, { url: labelling.url, room: 'labels', name: 'Ada' })
  await ada.say('Where is my parcel?')
  await ada.waitForHistory(([first]) => first?.state === 'stored')
  const position = { epoch: await ada.fact('epoch'), offset: 1 }
  labelling.io.emit('room:labels', {
    room: 'labels',
    ...position,
    labels: ['delivery', 'question'],
  })
  const row = ada.message('Where is my parcel?')
  await row.getByText('delivery').waitFor()
  expect(await row.locator('.label').allTextContents()).toEqual(['delivery', 'question'])
  labelling.io.emit('room:labels', { room: 'elsewhere', ...position, labels: ['other'] })
  labelling.io.emit('room:labels', { room: 'labels', ...position, labels: { language: 'en' } })
  await row.getByText('language: en').waitFor()
  expect(await row.locator('.label').count()).toBe(1)
  expect(ada.complaints).toEqual([])
})

test('unread: counted in each room and in the title, until one looks', async () => {
  const ada = await open('unread-1')
  const grace = await open('unread-1', 'Grace')
  for (const room of ['unread-2', 'unread-3']) {
    await ada.page.getByRole('textbox', { name: 'Name of a room' }).fill(room)
    await ada.page.keyboard.press('Enter')
    await ada.page.getByRole('heading', { name: room }).waitFor()
  }
  for (const text of ['One', 'Two']) await grace.say(text)
  await ada.page.getByRole('link', { name: 'unread-1, 2 unread' }).waitFor()
  await grace.page.getByRole('textbox', { name: 'Name of a room' }).fill('unread-2')
  await grace.page.keyboard.press('Enter')
  await grace.page.getByRole('heading', { name: 'unread-2' }).waitFor()
  await grace.say('Three')
  await ada.page.getByRole('link', { name: 'unread-2, 1 unread' }).waitFor()
  expect(await ada.page.title()).toBe('(3) unread-3 · Roomwire')

  // By the arrow keys: one stop for the whole list.
  await ada.page.getByRole('link', { name: 'unread-3' }).focus()
  await ada.page.keyboard.press('ArrowUp')
  await ada.page.keyboard.press('Enter')
  await ada.page.getByRole('heading', { name: 'unread-2' }).waitFor()
  await ada.page.getByRole('link', { name: 'unread-2', exact: true }).waitFor()
  expect(await ada.page.title()).toBe('(2) unread-2 · Roomwire')
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('another name: others see it from the next message on', async () => {
  const ada = await open('rename')
  const grace = await open('rename', 'Grace')
  await ada.say('Before')
  await grace.waitForHistory((history) => history.length === 1)
  await ada.press('Rename')
  await ada.page.getByRole('textbox', { name: 'Your name' }).fill('Ada Lovelace')
  await ada.page.keyboard.press('Enter')
  await ada.waitForFact('reconnections', '1')
  await ada.say('After')
  const shown = await grace.waitForHistory((history) => history.length === 2)
  expect(places(shown)).toEqual(['1 Ada: Before', '2 Ada Lovelace: After'])
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('a room name of 200 characters stretches nothing', async () => {
  const scope = testScope()
  const room = 'W'.repeat(200)
  for (const width of [1280, 390]) {
    const viewport = { width, height: 800 }
    const chat = { url: gateway.url, room, name: 'Ada' }
    const { page } = await openChat(scope, browser, chat, { viewport })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    const inside = `[...document.querySelectorAll('#room-list, .room-head, #composer')].every(
      (box) => box.scrollWidth <= box.clientWidth)`
    expect(await page.evaluate(inside)).toBe(true)
  }
})
