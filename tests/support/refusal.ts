import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { io } from 'socket.io-client'
import type { WireError } from '../../server/errors.ts'
import { type ClientOptions, connectClient } from './client.ts'
import type { Scope } from './scope.ts'

/** The code a handshake is refused with; `connected` where it is not. */
export function refusalOf(
  scope: Scope,
  url: string,
  options: {
    auth?: object
    headers?: Record<string, string>
    transport?: 'websocket' | 'polling'
  } = {},
): Promise<string> {
  const { auth = {}, headers = {}, transport = 'websocket' } = options
  const socket = io(url, {
    ...{ transports: [transport], forceNew: true, reconnection: false },
    ...{ auth, extraHeaders: headers },
  })
  scope.defer(() => socket.disconnect())
  return new Promise((resolve) => {
    socket.on('connect', () => resolve('connected'))
    socket.on('connect_error', (error: Error & { data?: WireError }) =>
      resolve(error.data?.code ?? error.message),
    )
  })
}

/** What a request of a connected client is refused with; `ok` where it is not. */
export async function refusalOfRequest(
  scope: Scope,
  url: string,
  client: ClientOptions,
  [event, payload]: [event: string, payload: unknown],
): Promise<string> {
  const { request: ask } = await connectClient(scope, url, { ...client, reconnection: false })
  const reply = await ask(event, payload)
  return reply.ok ? 'ok' : reply.error.code
}

/** `<status> <code>` of an HTTP request or of an attempt to upgrade, with exactly these headers. */
export async function answerOf(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string } = {},
): Promise<string> {
  const { body, ...rest } = options
  const asked = request(url, { ...rest, agent: false })
  asked.end(body)
  const upgraded = once(asked, 'upgrade').then(([, socket]) => {
    socket.destroy()
    return '101'
  })
  const answered = once(asked, 'response').then(async ([response]) => {
    const text = await textOf(response)
    return `${response.statusCode} ${codeIn(text)}`.trim()
  })
  return Promise.race([upgraded, answered])
}

/** What makes a request an attempt to open a WebSocket. */
export const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}

function codeIn(text: string): string {
  try {
    return JSON.parse(text)?.error?.code ?? ''
  } catch {
    return ''
  }
}
