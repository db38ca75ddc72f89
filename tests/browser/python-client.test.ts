import type { Browser } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { startGateway } from '../support/gateway-process.ts'
import { startPython } from '../support/python.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { openChat, places } from './chat-page.ts'

const suite = testScope()
let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser(suite)
})

const pythonReply = (text: string) =>
  JSON.stringify({
    ...{ method: 'emit', event: 'reply', data: [{ text }], binary: false, namespace: '/' },
    ...{ room: 'lounge', skip_sid: null, callback: null, host_id: 'abc' },
  })

test.each(['websocket', 'polling'])(
  'python-socketio over %s chats with a browser on another instance; both hear a Python backend once',
  async (transport) => {
    const scope = testScope()
    // Its user may listen to the producers' channel.
    const redis = await startRedis(scope, { settings: { PYTHON_SOCKETIO: 'true' } })
    const [one, two] = await Promise.all(
      ['one', 'two'].map((instance) =>
        startGateway(scope, {
          env: { REDIS_URL: redis.url(), INSTANCE_ID: instance, PYTHON_SOCKETIO: 'true' },
        }),
      ),
    )
    await Promise.all([one?.ready(), two?.ready()])
    const echo = await startPython(
      scope,
      'echo_client.py',
      ...[one?.url ?? '', 'lounge', 'Monty', transport],
    )
    const printed = (line: object) => echo.lines.filter((each) => each === pythonJson(line)).length
    await eventually(() => printed({ kind: 'joined', value: true }) === 1, {
      what: 'the Python client in the room',
      timeoutMs: 20_000,
    })
    const ada = await openChat(scope, browser, { url: two?.url ?? '', room: 'lounge', name: 'Ada' })
    // Events that the page does not know, as an application's own page would listen to them.
    await ada.say('Hello Python')
    const shown = await ada.waitForHistory((history) => history.length === 2)
    expect(places(shown)).toEqual(['1 Ada: Hello Python', '2 Monty: You said: Hello Python'])
    await eventually(() => printed({ kind: 'message', value: 'You said: Hello Python' }) === 1, {
      what: 'its own message, once',
    })

    await redis.cli('PUBLISH', 'socketio', pythonReply('from a backend'))
    await eventually(() => printed({ kind: 'reply', value: { text: 'from a backend' } }) === 1, {
      what: 'the emit of a Python backend',
    })
    await ada.say('Bye')
    await eventually(() => printed({ kind: 'message', value: 'You said: Bye' }) === 1, {
      what: 'the last answer',
    })
    expect(printed({ kind: 'reply', value: { text: 'from a backend' } })).toBe(1)
    expect(ada.complaints).toEqual([])
  },
)

/** As Python's json.dumps writes it. */
function pythonJson(value: object): string {
  return JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "')
}
