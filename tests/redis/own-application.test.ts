import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createHttpsServer, request } from 'node:https'
import { connect as connectTls } from 'node:tls'
import express from 'express'
import { expect, test } from 'vitest'
import { createGateway, readConfig } from '../../server/gateway.ts'
import { createLogger } from '../../server/observability/logger.ts'
import { makeCertificates } from '../support/certificates.ts'
import { connectClient } from '../support/client.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

test('routes of the application are asked after ours and before the chat page, with headers of their own', async () => {
  const gateway = await startInProcess(testScope(), {
    API_KEYS_FILE: '',
  })
  const { app, url } = gateway
  app.get('/orders', (_request, response) => void response.json({ orders: 1 }))
  app.get('/health', (_request, response) => void response.send('not ours'))
  app.get('/broken', () => {
    throw new Error('with internals')
  })

  const orders = await fetch(`${url}/orders`)
  expect(await orders.json()).toEqual({ orders: 1 })
  expect(orders.headers.get('content-security-policy')).toBeNull()
  expect(orders.headers.get('x-powered-by')).toBeNull()
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'ok' })
  const broken = await fetch(`${url}/broken`)
  expect(broken.status).toBe(500)
  expect(await broken.text()).not.toContain('internals')

  const page = await fetch(url)
  expect(await page.text()).toContain('<title>')
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
  app.get('/', (_request, response) => void response.send('mine'))
  expect(await (await fetch(url)).text()).toBe('mine')
  const nothing = await fetch(`${url}/nothing`)
  expect(await nothing.json()).toMatchObject({ error: { code: 'NOT_FOUND' } })
})

test('CHAT_PAGE=false: no page at /, the operations page all the same', async () => {
  const { url } = await startInProcess(testScope(), { CHAT_PAGE: 'false' })
  for (const path of ['/', '/index.html', '/ops.html']) {
    expect((await fetch(`${url}${path}`)).status, path).toBe(404)
  }
  const ops = await (await fetch(`${url}/ops`)).text()
  const script = /src="\.?\/?(assets\/[^"]+)"/.exec(ops)?.[1]
  expect((await fetch(`${url}/${script}`)).status).toBe(200)
})

test('a server of the application, with TLS: pages, WebSockets, an offer of h2c, its end', async () => {
  const scope = testScope()
  const files = await makeCertificates(scope)
  const [ca, cert, key] = await Promise.all(
    [files.caFile, files.certFile, files.keyFile].map((path) => readFile(path)),
  )
  const server = createHttpsServer({ cert, key })
  const { url, stop } = await startInProcess(scope, {}, { server })
  const port = Number(new URL(url).port)
  const secure = `https://127.0.0.1:${port}`

  const pending = request(`${secure}/health`, { ca: String(ca) }).end()
  const [response] = await once(pending, 'response')
  expect(response.statusCode).toBe(200)
  response.resume()

  const client = await connectClient(scope, secure, { ca: String(ca) })
  await client.ask('room:join', { room: 'r' })
  await client.ask('room:send', { room: 'r', id: '1', body: 'over TLS' })
  expect(await client.next('room:message')).toMatchObject({ body: 'over TLS' })

  const socket = connectTls({ port, host: '127.0.0.1', ca: String(ca) })
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.write(
    'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
  )
  await expect.poll(() => text, { timeout: 5000 }).toContain('{"live":true}')
  socket.destroy()

  await stop()
  expect(server.listening).toBe(false)
})

test('a server that answers requests itself is refused, and says how it is meant', () => {
  const { config } = readConfig({ LOG_LEVEL: 'silent' })
  const server = createServer(express())
  expect(() => createGateway(config, { server })).toThrow(/gateway\.app\.use/)
})

test('the origin of a page that is refused is in the log', async () => {
  const scope = testScope()
  const lines: string[] = []
  const write = (line: string) => void lines.push(line)
  const logger = createLogger({ level: 'info', instance: 'one' }, { write })
  const { url } = await startInProcess(scope, {}, { logger })
  const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
    headers: { origin: 'https://chat.example' },
  })
  expect(answer.status).toBe(403)
  const line = lines.find((each) => each.includes('CORS_ALLOW_ORIGIN'))
  expect(JSON.parse(line ?? '{}')).toMatchObject({ origin: 'https://chat.example', level: 30 })
})
