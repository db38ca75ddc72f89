import type { Browser } from 'playwright-core'
import { eventually } from '../support/eventually.ts'
import type { Scope } from '../support/scope.ts'
import { openWatchedPage, type WatchedPage } from './watched-page.ts'

/** The operations page in a browser context of its own. */
export interface OpsPage extends WatchedPage {
  /** State and text of a part of the strip: `redis-rooms`, `instances` … */
  tile(name: string): Promise<{ state: string; text: string }>
  /** The instances by name, with what is known of them. */
  presences(): Promise<Record<string, string>>
  /** Kind and words of the events shown, newest first. */
  events(): Promise<{ kind: string; words: string }[]>
  /** A line's figure now, as the table beside the chart has it; NaN where there is none. */
  now(figure: string): Promise<number>
  /** The highest figure of a line in the window shown, as text. */
  highest(figure: string): Promise<string>
  /** Waits until `look` says yes; returns how long it took, in ms. */
  until(what: string, look: () => Promise<boolean>, timeoutMs?: number): Promise<number>
}

// Strings, because the tests are compiled without the browser's types.
const READ_INSTANCES = `Object.fromEntries([...document.querySelectorAll('#instances > tr')].map(
  (row) => [row.dataset.instance, row.dataset.presence]))`
const READ_EVENTS = `[...document.querySelectorAll('#events > li')].map((item) =>
  ({ kind: item.dataset.kind, words: item.querySelector('.words').textContent }))`

export async function openOps(
  scope: Scope,
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<OpsPage> {
  const { page, complaints } = await openWatchedPage(scope, browser, `${url}/ops`, options)
  const cells = (figure: string) => page.locator(`tr[data-line="${figure}"] td`)
  return {
    page,
    complaints,
    async tile(name) {
      const tile = page.getByTestId(`tile-${name}`)
      const state = (await tile.getAttribute('data-state')) ?? ''
      return { state, text: (await tile.textContent())?.replace(/\s+/g, ' ').trim() ?? '' }
    },
    presences: () => page.evaluate(READ_INSTANCES),
    events: () => page.evaluate(READ_EVENTS),
    now: async (figure) => Number(await cells(figure).first().getAttribute('data-value')),
    highest: async (figure) => (await cells(figure).nth(2).textContent()) ?? '',
    async until(what, look, timeoutMs = 20_000) {
      const began = performance.now()
      // Each look is work for the page.
      await eventually(look, { what, timeoutMs, intervalMs: 100 })
      return performance.now() - began
    },
  }
}
