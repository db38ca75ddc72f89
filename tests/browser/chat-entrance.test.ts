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

test('before the name was said nothing looks wrong; afterwards one’s own colour is the same after a reload', async () => {
  const scope = testScope()
  const { url } = await startInProcess(scope)
  const { page, complaints } = await openWatchedPage(scope, browser, url, {})
  await page.getByRole('textbox', { name: 'Your name' }).waitFor()
  expect(await page.getByTestId('connection-state').textContent()).toBe('Not connected yet')
  expect(await page.getByTestId('notice').isVisible()).toBe(false)
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('Live', { exact: true }).waitFor()
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('hello')
  await page.keyboard.press('Enter')
  const row = page.getByRole('log').getByRole('listitem').filter({ hasText: 'hello' })
  await row.getByText('stored').waitFor()
  const hue = () => row.locator('.avatar').getAttribute('style')
  const before = await hue()
  await page.reload()
  await row.getByText('stored').waitFor()
  expect(await hue()).toBe(before)
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
  await page.getByText('#token=<token>').waitFor()
  await page.goto(`${url}/#token=${token}`)
  await page.getByText('Live', { exact: true }).waitFor()
  expect(page.url()).not.toContain(token)
  await page.getByText('Ada of the token').first().waitFor()
  await page.reload()
  await page.getByText('Live', { exact: true }).waitFor()
  expect(await page.evaluate('localStorage.getItem("roomwire.token")')).toBeNull()
})
