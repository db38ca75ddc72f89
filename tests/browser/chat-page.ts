import type { Browser, BrowserContextOptions, Locator } from 'playwright-core'
import { eventually } from '../support/eventually.ts'
import type { Scope } from '../support/scope.ts'
import { openWatchedPage, type WatchedPage } from './watched-page.ts'

/** A message as the page shows it. */
export interface ShownMessage {
  /** Its place in the room; undefined while it has none. */
  offset: number | undefined
  author: string
  text: string
  /**
   * `queued`, `sending`, `stored`, `repeated`, `refused`, `uncertain`, or `received` for those of others.
   */
  state: string
}

/** The chat page in a browser context of its own: another person, as far as the page can tell. */
export interface ChatPage extends WatchedPage {
  say(text: string): Promise<void>
  /** Presses a button by its name. */
  press(button: string): Promise<void>
  /** The connection's state or another fact that the page shows, by test id. */
  fact(testId: string): Promise<string>
  waitForFact(testId: string, text: string | RegExp): Promise<void>
  /** All messages in the order shown, in sight or not. */
  history(): Promise<ShownMessage[]>
  /** The first history for which `matches` holds. */
  waitForHistory(matches: (history: ShownMessage[]) => boolean): Promise<ShownMessage[]>
  message(text: string): Locator
  /** Goes to the first message that is here, as the wheel or a finger does. */
  scrollUp(): Promise<void>
  /** How many rows the list has in the document. */
  rows(): Promise<number>
}

/**
 * Only rows near sight exist: goes through the list from top to end and back, within one task, so that
 * nothing can change meanwhile. A string, because the tests are compiled without the browser's types.
 */
const READ_HISTORY = `(() => {
  const scroll = document.querySelector('#scroll')
  const start = scroll.scrollTop
  const isAtEnd = scroll.scrollHeight - start - scroll.clientHeight < 4
  const rows = new Map()
  const look = (top) => {
    scroll.scrollTop = top
    scroll.dispatchEvent(new Event('scroll'))
    for (const row of document.querySelectorAll('#messages > .message')) {
      rows.set(Number(row.ariaPosInSet), {
        offset: row.dataset.offset === '' ? undefined : Number(row.dataset.offset),
        author: row.querySelector('.author').textContent,
        text: row.querySelector('.body').textContent,
        state: row.dataset.state,
      })
    }
  }
  for (let top = 0; top < scroll.scrollHeight; top += scroll.clientHeight) look(top)
  look(isAtEnd ? scroll.scrollHeight : start)
  return [...rows].sort(([a], [b]) => a - b).map(([, row]) => row)
})()`

/** Each look is work for the page: many of them keep it from what is waited for. */
const LOOK_MS = 100

/** Opens the page in `room` and gives the name; resolves once it is live. */
export async function openChat(
  scope: Scope,
  browser: Browser,
  { url, room, name }: { url: string; room: string; name: string },
  options: BrowserContextOptions = {},
): Promise<ChatPage> {
  const { page, complaints } = await openWatchedPage(
    scope,
    browser,
    `${url}/#room=${encodeURIComponent(room)}`,
    options,
  )
  await page.getByRole('textbox', { name: 'Your name' }).fill(name)
  await page.getByRole('button', { name: 'Continue' }).click()

  const fact = async (testId: string) => (await page.getByTestId(testId).textContent()) ?? ''
  const history = () => page.evaluate<ShownMessage[]>(READ_HISTORY)
  const matches = (text: string, wanted: string | RegExp) =>
    typeof wanted === 'string' ? text === wanted : wanted.test(text)

  const chat: ChatPage = {
    page,
    complaints,
    async say(text) {
      await page.getByRole('textbox', { name: 'Message', exact: true }).fill(text)
      await page.keyboard.press('Enter')
    },
    async press(button) {
      await page.getByRole('button', { name: button, exact: true }).click()
    },
    fact,
    async waitForFact(testId, text) {
      let last = ''
      await eventually(
        async () => {
          last = await fact(testId)
          return matches(last, text)
        },
        { what: `${testId} to be ${text}`, timeoutMs: 20_000, intervalMs: LOOK_MS },
      ).catch((error: unknown) => {
        throw new Error(`${testId} is "${last}" and not ${text}`, { cause: error })
      })
    },
    history,
    async waitForHistory(wanted) {
      let last: ShownMessage[] = []
      const look = async () => {
        last = await history()
        return wanted(last) ? last : undefined
      }
      return eventually(look, { timeoutMs: 20_000, intervalMs: LOOK_MS }).catch(
        (error: unknown) => {
          const tail = JSON.stringify(last.slice(-5))
          throw new Error(`the history ends in ${tail} (${last.length} in all)`, { cause: error })
        },
      )
    },
    message: (text) => page.getByRole('log').getByRole('listitem').filter({ hasText: text }),
    async scrollUp() {
      await page.evaluate("document.querySelector('#scroll').scrollTop = 0")
    },
    rows: () => page.evaluate<number>("document.querySelectorAll('#messages > li').length"),
  }
  await chat.waitForFact('connection-state', 'Live')
  await chat.waitForFact('room-facts', /so far/)
  return chat
}

/** What a history says apart from who reads it: place, author, text. */
export const places = (history: readonly ShownMessage[]) =>
  history.map(({ offset, author, text }) => `${offset} ${author}: ${text}`)
