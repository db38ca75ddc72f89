import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { makeToken } from '../../server/cli-token.ts'
import { launchBrowser } from '../support/browser.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat } from './chat-page.ts'
import { openWatchedPage } from './watched-page.ts'

const suite = testScope()
let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser(suite)
})

test('before the name was said nothing looks wrong, and Escape does not get past the question', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const viewport = { width: 360, height: 740 }
  const { page, complaints } = await openWatchedPage(scope, browser, url, { viewport })
  const name = page.getByRole('textbox', { name: 'Your name' })
  await name.waitFor()
  expect(await page.getByTestId('connection-state').textContent()).toBe('Not connected')
  expect(await page.getByTestId('room-facts').textContent()).toBe('Say your name to come in.')
  expect(await page.getByTestId('notice').isVisible()).toBe(false)
  expect(await page.locator('#my-avatar').isVisible()).toBe(false)
  const topOf = async (id: string) => (await page.locator(id).boundingBox())?.y
  expect(await topOf('#drawer-toggle')).toBe(await topOf('#theme'))
  // The browser lets a page refuse the first Escape only.
  await page.keyboard.press('Escape')
  await page.keyboard.press('Escape')
  await name.fill('Ada')
  await page.keyboard.press('Enter')
  await page.getByText('Live', { exact: true }).waitFor()
  expect(complaints).toEqual([])
})

test('one’s own avatar has its colour after a reload, and its letters after another name', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const { page, complaints } = await openWatchedPage(scope, browser, url, {})
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada')
  await page.keyboard.press('Enter')
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('hello')
  await page.keyboard.press('Enter')
  const row = page.getByRole('log').getByRole('listitem').filter({ hasText: 'hello' })
  await row.getByText('stored').waitFor()
  const hue = () => row.locator('.avatar').getAttribute('style')
  const before = await hue()
  await page.reload()
  await row.getByText('stored').waitFor()
  expect(await hue()).toBe(before)

  // What waits goes out under the name one has by then.
  await page.getByRole('button', { name: 'Try it' }).click()
  await page.getByRole('button', { name: 'Go offline' }).click()
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('later')
  await page.keyboard.press('Enter')
  const waiting = page.getByRole('log').getByRole('listitem').filter({ hasText: 'later' })
  await waiting.getByText('queued').waitFor()
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('textbox', { name: 'Your name' }).fill('Grace')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Go online' }).click()
  await waiting.getByText('stored').waitFor()
  expect(await waiting.locator('.avatar').textContent()).toBe('G')
  expect(complaints).toEqual([])
})

test('addresses in a message are links that tell nothing of the page, and nothing else is', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const ada = await openChat(scope, browser, { url, room: 'links', name: 'Ada' })
  await ada.say('see https://a.example/x, not javascript:alert(1) or <b>bold</b>')
  const row = ada.message('see https')
  await row.waitFor()
  const links = row.getByRole('link')
  expect(await links.count()).toBe(1)
  expect(await links.getAttribute('href')).toBe('https://a.example/x')
  expect(await links.getAttribute('rel')).toContain('noopener noreferrer')
  expect((await ada.history())[0]?.text).toContain('<b>bold</b>')
  expect(ada.complaints).toEqual([])
})

test('with tokens: the page says how to bring one, takes it from the address, and keeps it in its tab', async () => {
  const scope = testScope()
  const folder = await mkdtemp(join(tmpdir(), 'roomwire-token-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const env = { AUTH_MODE: 'jwt', JWT_SECRET_FILE: join(folder, 'secret') }
  await writeFile(env.JWT_SECRET_FILE, randomBytes(32).toString('base64'))
  const { url } = await startInProcess(scope, env)
  const asked = { user: 'ada', name: 'Ada of the token', rooms: 'lobby' }
  const token = await makeToken(env, {
    expires: undefined,
    id: undefined,
    keyFile: undefined,
    ...asked,
  })

  const { page } = await openWatchedPage(scope, browser, url, {})
  await page.getByRole('textbox', { name: 'Your name' }).fill('Somebody')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('The gateway does not let you in: the token is missing. With').waitFor()
  await page.getByText('#token=<token>').waitFor()
  expect(await page.getByTestId('room-facts').textContent()).toBe('Not joined yet')
  await page.goto(`${url}/#token=${token}`)
  await page.getByText('Live', { exact: true }).waitFor()
  expect(page.url()).not.toContain(token)
  await page.getByText('Ada of the token').first().waitFor()
  await page.goto(`${url}/#room=another`)
  await page.getByText('This room cannot be joined: you may not do that here.').waitFor()
  await page.reload()
  await page.getByText('Live', { exact: true }).waitFor()
  expect(await page.evaluate('localStorage.getItem("roomwire.token")')).toBeNull()
})
