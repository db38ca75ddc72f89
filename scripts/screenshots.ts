import { mkdir, stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '../tests/support/browser.ts'
import { connectClient } from '../tests/support/client.ts'
import { startGateway } from '../tests/support/gateway-process.ts'
import { startHaproxy } from '../tests/support/haproxy.ts'
import { startRedis } from '../tests/support/redis-server.ts'
import { createScope, type Scope } from '../tests/support/scope.ts'
import { conversation, elsewhere, people, rooms } from './sample-conversation.ts'

// `npm run screenshots`: pictures of both pages for docs/images, from two instances behind HAProxy
// over Redis with people who talk; and how soon the chat page shows something.

const images = fileURLToPath(new URL('../docs/images/', import.meta.url))
const LARGEST_BYTES = 200_000
const TOKEN = 'of the operator'

/** Lines of the conversation that the page's owner misses, being offline. */
const AWAY = { from: 5, until: 7 }
const BUSY_MS = 40_000

const desk = { width: 1280, height: 800 }
const phone = { width: 390, height: 780 }

async function startSystem(scope: Scope): Promise<string> {
  const redis = await startRedis(scope, { appendonly: 'everysec' })
  const start = (instance: string) =>
    startGateway(scope, {
      env: { REDIS_URL: redis.url(), INSTANCE_ID: instance, OPERATOR_TOKEN: TOKEN },
    })
  const backends = [await start('berlin-1'), await start('berlin-2')]
  for (const gateway of backends) await gateway.ready()
  return (await startHaproxy(scope, { backends })).url
}

async function keep(page: Page, name: string): Promise<void> {
  const path = `${images}${name}.png`
  await page.screenshot({ path, animations: 'disabled' })
  const { size } = await stat(path)
  console.log(`docs/images/${name}.png: ${Math.round(size / 1000)} kB`)
  if (size > LARGEST_BYTES) throw new Error(`${name}.png is larger than ${LARGEST_BYTES} bytes`)
}

/** A page of somebody who has been here before: the name is known, and so are the rooms. */
async function openChat(scope: Scope, browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ viewport: desk, colorScheme: 'light' })
  scope.defer(() => context.close())
  const page = await context.newPage()
  await page.addInitScript(`
    localStorage.setItem('roomwire.name', ${JSON.stringify(JSON.stringify(people[0]))})
    sessionStorage.setItem('roomwire.rooms', ${JSON.stringify(JSON.stringify(rooms))})`)
  await page.goto(`${url}/#room=${rooms[0]}`)
  await page.getByText('so far').waitFor()
  return page
}

/** First contentful paint of pages that nothing is cached for, ms. */
async function measurePaints(scope: Scope, browser: Browser, url: string): Promise<number[]> {
  const paints: number[] = []
  for (let turn = 0; turn < 5; turn += 1) {
    const page = await openChat(scope, browser, url)
    paints.push(
      await page.evaluate<number>(
        `performance.getEntriesByName('first-contentful-paint')[0].startTime`,
      ),
    )
    await page.close()
  }
  return paints.sort((a, b) => a - b).map(Math.round)
}

/** The page is the first of the people; the others come as plain clients. */
async function talk(scope: Scope, page: Page, url: string): Promise<void> {
  const log = page.getByRole('log')
  const others = new Map<string, Awaited<ReturnType<typeof connectClient>>>()
  for (const name of people.slice(1)) others.set(name, await connectClient(scope, url, { name }))
  const say = (name: string, room: string, id: string, text: string) =>
    others.get(name)?.ask('room:send', { room, id, body: { text } })

  for (const [index, [name, text]] of conversation.entries()) {
    if (index === AWAY.from) await press(page, 'Try it', 'Go offline')
    if (index === AWAY.until) await press(page, 'Go online', 'Close')
    if (name === people[0]) {
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill(text)
      await page.keyboard.press('Enter')
    } else await say(name, rooms[0], `line-${index}`, text)
    if (index < AWAY.from || index >= AWAY.until) await log.getByText(text).waitFor()
  }
  for (const [index, [room, name, text]] of elsewhere.entries()) {
    await say(name, room, `elsewhere-${index}`, text)
  }
  await page.getByRole('link', { name: `${rooms[1]}, 2 unread` }).waitFor()
  await page.getByRole('link', { name: `${rooms[3]}, 1 unread` }).waitFor()
}

async function press(page: Page, ...names: string[]): Promise<void> {
  for (const name of names) await page.getByRole('button', { name, exact: true }).click()
}

/** What operators look at: some seconds of conversation, and people who come and go. */
async function keepBusy(scope: Scope, url: string): Promise<void> {
  const crowd = await Promise.all(
    Array.from({ length: 12 }, (_, index) => connectClient(scope, url, { name: `Guest ${index}` })),
  )
  for (const guest of crowd) await guest.ask('room:join', { room: 'hall' })
  const until = Date.now() + BUSY_MS
  for (let turn = 1; Date.now() < until; turn += 1) {
    const speakers = crowd.slice(0, 3 + Math.round(3 * Math.sin(turn / 20)))
    await Promise.all(
      speakers.map((guest, index) =>
        guest.ask('room:send', { room: 'hall', id: `${turn}-${index}`, body: { text: 'Hello' } }),
      ),
    )
    if (turn % 60 === 0) crowd.at(-1 - ((turn / 60) % 4))?.socket.io.engine.close()
    await setTimeout(80)
  }
}

async function pictureChat(page: Page): Promise<void> {
  await keep(page, 'chat-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await press(page, 'Try it', 'Send the last message again')
  await page.getByText('Answered as a repeat').waitFor()
  await keep(page, 'chat-dark')
  await press(page, 'Close')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(phone)
  await keep(page, 'chat-phone')
}

async function pictureOps(scope: Scope, browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext({ viewport: desk, colorScheme: 'light' })
  scope.defer(() => context.close())
  const page = await context.newPage()
  await page.goto(`${url}/ops`)
  await page.getByLabel('Operator’s token').fill(TOKEN)
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('2 live').first().waitFor()
  // The crowd has just come: a machine that was busy with that is shown when it is not any more.
  await page.getByText('All is well').waitFor()
  await keep(page, 'ops-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await keep(page, 'ops-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(phone)
  await keep(page, 'ops-phone')
}

await using scope = createScope()
await mkdir(images, { recursive: true })
const url = await startSystem(scope)
const browser = await launchBrowser(scope)
const paints = await measurePaints(scope, browser, url)
console.log(`first contentful paint of the chat page: ${paints.join(', ')} ms`)
const page = await openChat(scope, browser, url)
await talk(scope, page, url)
await pictureChat(page)
await page.close()
await keepBusy(scope, url)
await pictureOps(scope, browser, url)
