import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat } from './chat-page.ts'
import { axeFindings } from './watched-page.ts'

const suite = testScope()
let browser: Browser
let gateway: GatewayProcess
beforeAll(async () => {
  browser = await launchBrowser(suite)
  gateway = await startGateway(suite, { env: { MAX_BODY_BYTES: '200' } })
})

test.each([
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
  ['dark', 390],
] as const)('axe finds nothing amiss: %s, %i pixels wide', async (colorScheme, width) => {
  const scope = testScope()
  const chat = { url: gateway.url, room: `${colorScheme}-${width}` }
  const options = {
    colorScheme,
    viewport: { width, height: 800 },
    reducedMotion: 'reduce',
  } as const
  const ada = await openChat(scope, browser, { ...chat, name: 'Ada' }, options)
  const grace = await openChat(scope, browser, { ...chat, name: 'Grace' })
  await grace.say('Of somebody else')
  await ada.say('Of mine')
  await ada.say('Refused '.repeat(40))
  await ada.message('refused').waitFor()
  expect(await axeFindings(ada)).toEqual([])

  if (width < 800) {
    await ada.press('Rooms')
    expect(await ada.page.evaluate('document.getAnimations().length')).toBe(0)
    expect(await axeFindings(ada)).toEqual([])
    await ada.page.keyboard.press('Escape')
  }
  await ada.press('Try it')
  await ada.press('Kill my connection')
  await ada.waitForFact('reconnections', '1')
  await ada.press('Go offline')
  await ada.waitForFact('connection-state', 'Offline')
  expect(await axeFindings(ada)).toEqual([])
  expect(ada.complaints).toEqual([])
})

test('the theme switch turns the page over, and is remembered', async () => {
  const chat = { url: gateway.url, room: 'theme', name: 'Ada' }
  const ada = await openChat(testScope(), browser, chat, { colorScheme: 'light' })
  const ground = () => ada.page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
  const toggle = ada.page.getByRole('button', { name: 'Dark theme' })
  const light = await ground()
  expect(await toggle.getAttribute('aria-pressed')).toBe('false')
  await toggle.click()
  expect(await toggle.getAttribute('aria-pressed')).toBe('true')
  const dark = await ground()
  expect(dark).not.toBe(light)
  expect(await axeFindings(ada)).toEqual([])
  await ada.page.reload()
  await ada.waitForFact('connection-state', 'Live')
  expect(await ground()).toBe(dark)
})

test('what others write is read out, once, and nothing that scrolling brings', async () => {
  const scope = testScope()
  const chat = { url: gateway.url, room: 'spoken' }
  const grace = await openChat(scope, browser, { ...chat, name: 'Grace' })
  await grace.say('Before you came')
  await grace.waitForHistory(([first]) => first?.state === 'stored')
  const ada = await openChat(scope, browser, { ...chat, name: 'Ada' })
  await ada.say('Of mine')
  await grace.say('Good morning')
  await ada.waitForFact('announcer', 'Grace: Good morning')
  expect(await ada.page.getByRole('log').getAttribute('aria-live')).toBe('off')
})

test('narrow: the rooms are a drawer, which takes the focus and gives it back', async () => {
  const chat = { url: gateway.url, room: 'narrow', name: 'Ada' }
  const options = { viewport: { width: 390, height: 800 } }
  const ada = await openChat(testScope(), browser, chat, options)
  const room = ada.page.getByRole('link', { name: 'narrow' })
  expect(await room.isVisible()).toBe(false)
  await ada.press('Rooms')
  await room.waitFor()
  await ada.page.keyboard.press('Escape')
  await room.waitFor({ state: 'hidden' })
  expect(await ada.page.evaluate('document.activeElement.id')).toBe('rooms-toggle')
  await ada.press('Rooms')
  await ada.page.getByRole('textbox', { name: 'Name of a room' }).fill('another')
  await ada.page.keyboard.press('Enter')
  await ada.page.getByRole('heading', { name: 'another' }).waitFor()
  await ada.page.getByRole('link', { name: 'another' }).waitFor({ state: 'hidden' })
})
