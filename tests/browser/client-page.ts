import type { BrowserContext, Page } from 'playwright-core'
import { build } from 'vite'
import type * as Roomwire from '../../client/connect.ts'
import { eventually } from '../support/eventually.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

declare global {
  interface Window {
    roomwire: typeof Roomwire
    client: Roomwire.Client
    room: Roomwire.Room
    /** What `message` told, as offset and body. */
    told: string[]
    recovered: { room: string; recovered: boolean; missed: number | undefined }[]
    resets: number
  }
}

const PATH = '/client-test/'
const PAGE = `<!doctype html><meta charset="utf-8"><title>Roomwire client</title>
<link rel="icon" href="data:,"><script type="module">
import * as roomwire from './client.js'
window.roomwire = roomwire
window.begin = (name, options, roomOptions) => {
  window.told = []
  window.recovered = []
  window.resets = 0
  window.client = roomwire.connect('', options)
  window.room = client.room(name, roomOptions)
  room.on('message', ({ offset, body }) => told.push(offset + ' ' + JSON.stringify(body)))
  room.on('reset', () => (window.resets += 1))
  client.on('recovered', (event) => recovered.push(event))
}
const wish = sessionStorage.getItem('begin')
if (wish) window.begin(...JSON.parse(wish))
document.body.dataset.ready = 'yes'
</script><body>A page of the tests</body>`

let bundled: Promise<string> | undefined

/** The client and socket.io-client as one module, made once. */
function bundle(): Promise<string> {
  bundled ??= build({
    configFile: false,
    root: repositoryRoot,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: 'client/connect.ts', preserveEntrySignatures: 'strict' },
    },
  }).then((result) => {
    if (!('output' in result)) throw new Error('one bundle was expected')
    return result.output[0].code
  })
  return bundled
}

/** Lets the pages of a context find the test page beside the gateway, at its origin. */
export async function serveClient(context: BrowserContext): Promise<void> {
  const code = await bundle()
  await context.route(`**${PATH}client.js`, (route) =>
    route.fulfill({ contentType: 'text/javascript', body: code }),
  )
  await context.route(`**${PATH}`, (route) =>
    route.fulfill({ contentType: 'text/html', body: PAGE }),
  )
}

/** A page with a client in a room. */
export interface ClientPage {
  readonly page: Page
  /** Errors that nobody caught, and unhandled rejections. */
  readonly complaints: readonly string[]
  /** Begins again at every reload, with the same options. */
  begin(room: string, options?: Roomwire.ConnectOptions, of?: Roomwire.RoomOptions): Promise<void>
  /** Sends `prefix 1` … `prefix count` at once; resolves when they are kept. */
  sendMany(prefix: string, count: number): Promise<void>
  /** `offset body` of everything in the room's list. */
  messages(): Promise<string[]>
  /** `body status` of what is on its way. */
  outgoing(): Promise<string[]>
  status(): Promise<Roomwire.Status>
  waitFor(what: string, matches: () => Promise<boolean>, timeoutMs?: number): Promise<void>
}

export async function openPage(context: BrowserContext, url: string): Promise<ClientPage> {
  const page = await context.newPage()
  return clientPage(page, () => page.goto(url + PATH))
}

/** A page that came to be otherwise, such as a duplicate of a tab. */
export async function clientPage(page: Page, open: () => unknown): Promise<ClientPage> {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  await open()
  await page.locator('body[data-ready]').waitFor()
  return {
    page,
    complaints,
    async begin(...wish) {
      await page.evaluate((text) => sessionStorage.setItem('begin', text), JSON.stringify(wish))
      await page.reload()
      await page.locator('body[data-ready]').waitFor()
    },
    sendMany: (prefix, count) =>
      page.evaluate(
        async ([name, many]) => {
          const sendings = Array.from({ length: many }, (_, index) =>
            window.room.send(`${name} ${index + 1}`),
          )
          await Promise.all(sendings.map(({ kept }) => kept))
        },
        [prefix, count] as const,
      ),
    messages: () =>
      page.evaluate(() => window.room.messages.map(({ offset, body }) => `${offset} ${body}`)),
    outgoing: () =>
      page.evaluate(() => window.room.outgoing.map(({ body, status }) => `${body} ${status.kind}`)),
    status: () => page.evaluate(() => ({ ...window.client.status })),
    waitFor: async (what, matches, timeoutMs = 30_000) =>
      void (await eventually(matches, { what, timeoutMs, intervalMs: 100 })),
  }
}
