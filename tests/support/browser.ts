import { type Browser, chromium } from 'playwright-core'
import type { Scope } from './scope.ts'

/** The system's Chromium, headless. Each user of a page gets a context of their own. */
export async function launchBrowser(scope: Scope): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--headless',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  scope.defer(() => browser.close())
  return browser
}
