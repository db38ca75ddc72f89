import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { callApi, writeApiKeys } from '../support/api-keys.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)

async function open() {
  const scope = testScope()
  const { path, keys } = await writeApiKeys(scope)
  const { url } = await startInProcess(scope, { API_KEYS_FILE: path })
  return { url, key: keys['backend'] ?? '' }
}

test('the curl examples of docs/API.md work as they stand', async () => {
  const { url, key } = await open()
  const page = await readFile(join(repositoryRoot, 'docs/API.md'), 'utf8')
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  const commands = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').trim().split('\n'))
  expect(commands.length).toBeGreaterThan(8)
  const replies: Record<string, unknown>[] = []
  let epoch = ''
  for (const command of commands) {
    const env = { ...process.env, URL: url, KEY: key, EPOCH: epoch, USER_ID: 'somebody' }
    const { stdout } = await run('sh', ['-c', command], { env })
    const reply = JSON.parse(stdout) as Record<string, unknown>
    expect({ command, ok: reply['ok'] }).toEqual({ command, ok: true })
    replies.push(reply)
    const { position } = reply as { position?: { epoch: string } }
    if (epoch === '' && position !== undefined) epoch = position.epoch
  }
  expect(replies[3]).toMatchObject({ recovered: true, messages: [{}, {}, {}] })
  expect(replies.find(({ claimed }) => claimed !== undefined)).toMatchObject({ claimed: true })
  expect(replies.find(({ released }) => released !== undefined)).toMatchObject({ released: true })
})

type Schema = Record<string, unknown>
interface Operation {
  parameters: { name: string; in: string; required: boolean; schema: Schema }[]
  requestBody?: { content: { 'application/json': { schema: Schema } } }
  responses: Record<string, { content: { 'application/json': { schema: Schema } } }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: { Error: Schema } }
}

/** Requests that succeed, by operation. */
const EXAMPLES: Record<string, { path: string; body?: unknown }> = {
  'post /api/rooms/{room}/messages': { path: '/api/rooms/r/messages', body: { id: 'm', body: 1 } },
  'get /api/rooms/{room}/messages': { path: '/api/rooms/r/messages' },
  'get /api/rooms/{room}/members': { path: '/api/rooms/r/members' },
  'delete /api/rooms/{room}': { path: '/api/rooms/r' },
  'post /api/rooms/{room}/claims': {
    path: '/api/rooms/r/claims',
    body: { id: 'm', group: 'g', leaseMs: 1000, holder: 'h' },
  },
  'delete /api/rooms/{room}/claims': {
    path: '/api/rooms/r/claims',
    body: { id: 'm', group: 'g', holder: 'h' },
  },
  'post /api/users/{user}/disconnect': { path: '/api/users/ann/disconnect', body: {} },
  'post /api/users/{user}/revoke': { path: '/api/users/ann/revoke', body: {} },
  'post /api/tokens/revoke': { path: '/api/tokens/revoke', body: { tokenId: 't' } },
}

test('every operation of the OpenAPI document exists and answers as it says', async () => {
  const { url, key } = await open()
  const { reply: document } = await callApi<Document>(url, undefined, 'GET', '/api/openapi.json')
  expect(document.openapi).toBe('3.1.0')
  const accepts = (schema: Schema, value: unknown) =>
    z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value)
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method} ${path}`,
      operation,
    })),
  )
  expect(operations.map(({ name }) => name).sort()).toEqual(Object.keys(EXAMPLES).sort())
  for (const { name, operation } of operations) {
    const { path = '', body } = EXAMPLES[name] ?? {}
    const method = name.split(' ')[0]?.toUpperCase() ?? ''
    const where = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter)
    const required = operation.parameters.filter((parameter) => parameter.required)
    expect(required.map((parameter) => parameter.name)).toEqual(where)

    const good = await callApi(url, key, method, path, body)
    const schema = operation.responses[good.status]?.content['application/json'].schema
    expect({ name, status: good.status, known: schema !== undefined }).toMatchObject({
      known: true,
    })
    expect({ name, problem: accepts(schema ?? {}, good.reply).error }).toEqual({ name })

    const wanted = operation.requestBody?.content['application/json'].schema
    expect(wanted !== undefined).toBe(body !== undefined)
    if (wanted !== undefined) expect(accepts(wanted, body).success).toBe(true)

    const refused = await callApi(url, undefined, method, path, body)
    expect(refused.status).toBe(401)
    expect(accepts(document.components.schemas.Error, refused.reply).success).toBe(true)
    expect(Object.keys(operation.responses)).toContain('401')
  }
})
