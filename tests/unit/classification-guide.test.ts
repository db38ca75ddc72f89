import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startChild } from '../support/child.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import type { Scope } from '../support/scope.ts'
import { testScope } from '../support/test-scope.ts'

const guide = new URL('../../docs/CLASSIFICATION.md', import.meta.url)

async function exampleOf(name: string): Promise<string> {
  const text = await readFile(guide, 'utf8')
  const found = new RegExp(`\`\`\`js ${name}\n(.*?)\`\`\``, 's').exec(text)
  return found?.[1] ?? expect.fail(`the guide has no ${name}`)
}

/** Runs an example as the guide says; returns where it listens. */
async function run(scope: Scope, name: string, env: Record<string, string> = {}): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-guide-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, name), await exampleOf(name))
  const child = await startChild(scope, process.execPath, [join(dir, name)], {
    env: { PORT: '0', ...env },
    cwd: dir,
  })
  const port = await eventually(() => /listening on (\d+)/.exec(child.lines.join('\n'))?.[1], {
    what: `${name} listening`,
  })
  return `http://127.0.0.1:${port}/`
}

it('the service of the guide has 30 lines, and labels messages', async () => {
  expect((await exampleOf('classifier.mjs')).trimEnd().split('\n').length).toBeLessThanOrEqual(30)
  const scope = testScope()
  const url = await run(scope, 'classifier.mjs')
  const gateway = await startInProcess(scope, { CLASSIFIER: 'http', CLASSIFIER_URL: url })
  const ann = await connectClient(scope, gateway.url)
  await ann.ask('room:join', { room: 'r' })
  const texts = ['Hello', 'My invoice is wrong, urgent!', 'the site is down']
  for (const text of texts) await ann.ask('room:send', { room: 'r', id: text, body: { text } })
  const labels = [await ann.next('room:labels'), await ann.next('room:labels')]
  expect(labels).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ offset: 2, labels: { topic: 'billing', urgent: true } }),
      expect.objectContaining({ offset: 3, labels: { topic: 'outage' } }),
    ]),
  )
})

it('the one for an OpenAI-compatible endpoint asks a model, and passes on that it is busy', async () => {
  const scope = testScope()
  const asked: { model: string; messages: { role: string; content: string }[] }[] = []
  const model = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push(JSON.parse(body))
    if (asked.length === 1) return response.writeHead(429, { 'retry-after': '0' }).end()
    const content = '{"topic": "question", "toxic": false}'
    return response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] }))
  }).listen(0, '127.0.0.1')
  await once(model, 'listening')
  scope.defer(() => model.close())
  const base = `http://127.0.0.1:${(model.address() as AddressInfo).port}/v1`
  const url = await run(scope, 'model-classifier.mjs', { MODEL_URL: base, MODEL: 'small' })
  const gateway = await startInProcess(scope, { CLASSIFIER: 'http', CLASSIFIER_URL: url })
  const ann = await connectClient(scope, gateway.url)
  await ann.ask('room:join', { room: 'r' })
  await ann.ask('room:send', { room: 'r', id: '1', body: 'How do I log in?' })
  expect(await ann.next('room:labels')).toMatchObject({
    labels: { topic: 'question', toxic: false },
  })
  expect(asked).toHaveLength(2)
  expect(asked[1]).toMatchObject({
    model: 'small',
    messages: [{ role: 'system' }, { role: 'user', content: 'How do I log in?' }],
  })
})
