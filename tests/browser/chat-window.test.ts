import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type Client, connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'
import { type ChatPage, openChat } from './chat-page.ts'

const suite = testScope()
let browser: Browser
let gateway: GatewayProcess
let writer: Client
beforeAll(async () => {
  browser = await launchBrowser(suite)
  gateway = await startGateway(suite)
  writer = await connectClient(suite, gateway.url, { name: 'Writer' })
})

const open = (room: string) =>
  openChat(testScope(), browser, { url: gateway.url, room, name: 'Ada' })

/** Lines of different heights, so that places have to be measured. */
const lines = (step: number) => `Step ${step}${'\nmore of it'.repeat(step % 4)}`

async function write(room: string, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step += 100) {
    const some = Array.from({ length: Math.min(100, to - step + 1) }, (_, index) => step + index)
    await Promise.all(
      some.map((one) =>
        writer.ask('room:send', { room, id: `w${one}`, body: { text: lines(one) } }),
      ),
    )
  }
}

/** Where the row of a message begins in the window, px. */
const topOf = ({ page }: ChatPage, offset: number) =>
  page.evaluate<number>(
    `document.querySelector('#messages [data-offset="${offset}"]').getBoundingClientRect().top`,
  )
const setSize = ({ page }: ChatPage) =>
  page.evaluate<number>(`Number(document.querySelector('#messages > li').ariaSetSize)`)

test('older messages come while one scrolls up, and what is read stays in place', async () => {
  await write('earlier', 1, 150)
  const ada = await open('earlier')
  await ada.waitForHistory((history) => history.length === 50)
  // The page before comes when the beginning is near, and not before.
  await ada.page.locator('#scroll').hover()
  await ada.page.mouse.wheel(0, -300)
  await ada.message('Step 140').waitFor()
  expect(await setSize(ada)).toBe(51)

  await ada.scrollUp()
  // Asked from here: polling within the page is `eval`, which the page's CSP forbids.
  await eventually(async () => (await setSize(ada)) === 101, { what: '101 messages' })
  const above = ada.page.locator('#messages [data-offset="100"]')
  await above.waitFor()
  // 101 was the first one, just below the top; now it has 100 above it, and has not moved.
  const headBottom = await ada.page.evaluate<number>(
    `document.querySelector('#scroll').getBoundingClientRect().top`,
  )
  expect(Math.abs((await topOf(ada, 101)) - headBottom)).toBeLessThan(150)
  // Rows that have just come are measured in the next frames.
  let before = Number.NaN
  const settled = async () => {
    const last = before
    before = await topOf(ada, 101)
    return last === before
  }
  await eventually(settled, { what: 'rows that have settled', intervalMs: 150 })
  await write('earlier', 151, 153)
  await ada.page.getByRole('button', { name: '3 new messages' }).waitFor()
  expect(await topOf(ada, 101)).toBe(before)

  await ada.press('3 new messages')
  await ada.message('Step 153').waitFor()
  expect(await ada.page.locator('#to-end').isVisible()).toBe(false)
  expect(ada.complaints).toEqual([])
})

test('5,000 messages: few rows exist, at the end, at the beginning and on the way', async () => {
  const ada = await open('many')
  await write('many', 1, 5_000)
  await ada.waitForFact('room-facts', '5000 messages so far')
  await ada.message('Step 5000').waitFor()
  expect(await ada.rows()).toBeLessThan(100)

  // Frames while the whole way back is scrolled in 100 steps: how smooth that is gets printed.
  const frames = await ada.page.evaluate<{
    frame: number
    work: number
    longestWork: number
    most: number
  }>(
    `new Promise((resolve) => {
      const scroll = document.querySelector('#scroll')
      const step = scroll.scrollHeight / 100
      const spent = []
      const work = []
      let most = 0
      let last = performance.now()
      function frame(now) {
        spent.push(now - last)
        last = now
        most = Math.max(most, document.querySelectorAll('#messages > li').length)
        if (scroll.scrollTop > 0 && spent.length < 500) {
          const begun = performance.now()
          scroll.scrollTop -= step
          scroll.dispatchEvent(new Event('scroll')) // the page's part of it, layout included
          work.push(performance.now() - begun)
          requestAnimationFrame(frame)
        } else {
          for (const times of [spent, work]) times.sort((a, b) => a - b)
          const median = (times) => times[times.length >> 1]
          resolve({ frame: median(spent), work: median(work), longestWork: work.at(-1), most })
        }
      }
      requestAnimationFrame(frame)
    })`,
  )
  console.log(
    `5,000 messages scrolled: a frame every ${frames.frame.toFixed(1)} ms in the median, of which`,
    `${frames.work.toFixed(1)} ms are the page's (${frames.longestWork.toFixed(1)} at most);`,
    `${frames.most} rows at most`,
  )
  expect(frames.most).toBeLessThan(100)
  await ada.message('Step 1').first().waitFor()
  expect(await setSize(ada)).toBeGreaterThanOrEqual(5_001)

  // Every one is there, in order, once.
  const shown = await ada.history()
  expect(shown.map(({ offset }) => offset)).toEqual(
    Array.from({ length: 5_000 }, (_, index) => index + 1),
  )
  expect(ada.complaints).toEqual([])
})

test('by keyboard: one stop for the history, the arrows go through it, beyond what exists', async () => {
  await write('keys', 1, 40)
  const ada = await open('keys')
  await ada.message('Step 40').waitFor()
  const focused = () => ada.page.evaluate<string>('document.activeElement.dataset.offset ?? ""')
  const stops = `document.querySelectorAll('#messages > li[tabindex="0"]').length`
  expect(await ada.page.evaluate(stops)).toBe(1)
  await ada.page.locator('#messages > li[tabindex="0"]').focus()
  expect(await focused()).toBe('40')
  for (let step = 39; step >= 1; step -= 1) {
    await ada.page.keyboard.press('ArrowUp')
    expect(await focused()).toBe(String(step))
  }
  await ada.page.keyboard.press('End')
  expect(await focused()).toBe('40')
  expect(await ada.page.evaluate(stops)).toBe(1)
  expect(ada.complaints).toEqual([])
})
