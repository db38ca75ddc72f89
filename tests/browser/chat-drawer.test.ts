import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat, places } from './chat-page.ts'

const suite = testScope()
let browser: Browser
let gateway: GatewayProcess
beforeAll(async () => {
  browser = await launchBrowser(suite)
  gateway = await startGateway(suite)
})

/** Ada with her drawer open, and Grace who watches. */
async function openTwo(room: string) {
  const scope = testScope()
  const [ada, grace] = await Promise.all([
    openChat(scope, browser, { url: gateway.url, room, name: 'Ada' }),
    openChat(scope, browser, { url: gateway.url, room, name: 'Grace' }),
  ])
  await ada.press('Try it')
  return { ada, grace }
}

test('go offline: nothing leaves and nothing comes, until back', async () => {
  const { ada, grace } = await openTwo('switch-offline')
  await ada.press('Go offline')
  await ada.waitForFact('connection-state', 'Offline')
  await ada.waitForFact('notice', /^You went offline\. What you write is kept/)
  expect(await ada.fact('transport')).toBe('–')
  expect(await ada.page.getByTestId('members').isVisible()).toBe(false)
  await ada.say('Later')
  await ada.waitForHistory((history) => history[0]?.state === 'queued')
  await grace.say('Now')
  await grace.waitForHistory((history) => history[0]?.state === 'stored')
  expect((await ada.history()).map(({ text }) => text)).toEqual(['Later'])

  await ada.press('Go online')
  await ada.waitForFact('connection-state', 'Live')
  const shown = await grace.waitForHistory((history) => history.length === 2)
  expect(places(shown)).toEqual(['1 Grace: Now', '2 Ada: Later'])
  expect(places(await ada.waitForHistory((history) => history[1]?.state === 'stored'))).toEqual(
    places(shown),
  )
  expect(await ada.page.getByTestId('notice').isVisible()).toBe(false)
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('kill my connection: the transport is another one, and the rooms are whole (D5)', async () => {
  const { ada, grace } = await openTwo('switch-kill')
  const closed = new Promise<void>((resolve) => {
    // The next WebSocket is the one after the kill.
    ada.page.once('websocket', () => resolve())
  })
  await ada.press('Kill my connection')
  await grace.say('While you were away')
  await closed
  await ada.waitForFact('reconnections', '1')
  await ada.waitForFact('connection-state', 'Live')
  await ada.waitForFact('recovery', /^Resumed 1 message$|^Nothing was missed$/)
  const shown = await ada.waitForHistory((history) => history.length === 1)
  expect(places(shown)).toEqual(['1 Grace: While you were away'])
  await ada.message('Reconnected').waitFor()
  expect(await ada.fact('deliveries')).toBe('In order, each once')
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('send a duplicate: answered as a repeat, stored once, seen once (D2)', async () => {
  const { ada, grace } = await openTwo('switch-repeat')
  const repeat = ada.page.getByRole('button', { name: 'Send the last message again' })
  expect(await repeat.isDisabled()).toBe(true)
  await ada.say('Once')
  await ada.waitForHistory((history) => history[0]?.state === 'stored')
  await repeat.click()
  await ada.waitForFact('repeat-result', 'Answered as a repeat: it is stored once, as #1.')
  await ada.waitForHistory((history) => history.length === 1 && history[0]?.state === 'repeated')
  await ada.waitForFact('room-facts', '1 message so far')
  const shown = await grace.waitForHistory((history) => history.length === 1)
  expect(places(shown)).toEqual(['1 Ada: Once'])
  expect(await grace.fact('deliveries')).toBe('In order, each once')
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('send 100 at once: all stored, in the order of writing (D1, D3)', async () => {
  const { ada, grace } = await openTwo('switch-burst')
  await ada.press('Send 100 at once')
  await ada.waitForFact('burst-result', '100 of 100 stored, from #1 to #100.')
  const shown = await grace.waitForHistory((history) => history.length === 100)
  expect(shown.map(({ text }) => text)).toEqual(
    Array.from({ length: 100 }, (_, index) => `${index + 1} of 100`),
  )
  expect(await ada.fact('waiting')).toBe('0')
  expect([...ada.complaints, ...grace.complaints]).toEqual([])
})

test('the drawer by keyboard: opened, left by Escape, the focus back where it was', async () => {
  const { ada } = await openTwo('keyboard')
  const toggle = ada.page.getByRole('button', { name: 'Try it' })
  const focused = () => ada.page.evaluate<string>('document.activeElement.id')
  expect(await toggle.getAttribute('aria-expanded')).toBe('true')
  expect(await focused()).toBe('drawer-close')
  await ada.page.keyboard.press('Escape')
  expect(await toggle.getAttribute('aria-expanded')).toBe('false')
  expect(await focused()).toBe('drawer-toggle')
  expect(ada.complaints).toEqual([])
})
