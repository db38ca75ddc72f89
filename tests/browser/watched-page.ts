import axe from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Scope } from '../support/scope.ts'

/** A page in a browser context of its own: another person, as far as the page can tell. */
export interface WatchedPage {
  readonly page: Page
  /** Console errors and warnings, uncaught errors, CSP violations. */
  readonly complaints: readonly string[]
}

// Strings, because the tests are compiled without the browser's types.
const REPORT_VIOLATIONS = `addEventListener('securitypolicyviolation', (event) =>
  console.error('CSP violation: ' + event.violatedDirective + ' ' + event.blockedURI))`

export async function openWatchedPage(
  scope: Scope,
  browser: Browser,
  url: string,
  options: BrowserContextOptions,
): Promise<WatchedPage> {
  const context = await browser.newContext(options)
  scope.defer(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.addInitScript(REPORT_VIOLATIONS)
  await page.goto(url)
  return { page, complaints }
}

/** What axe has to say of a page as it is now. */
export async function axeFindings({ page }: Pick<WatchedPage, 'page'>): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
