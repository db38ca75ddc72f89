import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RoomMessage } from '../../server/protocol.ts'
import { callApi, writeApiKeys } from '../support/api-keys.ts'
import { type Child, startChild } from '../support/child.ts'
import { connectClient } from '../support/client.ts'
import { repositoryRoot, startGateway } from '../support/gateway-process.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const BOT = join(repositoryRoot, 'examples/answering-bot.mjs')
const MESSAGES = 1000
const ROOM = 'questions'

test('three bots, 1,000 messages, one bot killed: 1,000 answers', async () => {
  const scope = testScope()
  expect((await readFile(BOT, 'utf8')).trim().split('\n').length).toBeLessThanOrEqual(60)
  const redis = await startRedis(scope)
  const { path, keys } = await writeApiKeys(scope, { bots: ['publish', 'claim'], people: [] })
  const gateways = await Promise.all(
    ['one', 'two'].map((instance) =>
      startGateway(scope, {
        env: {
          WEBSOCKET_REDIS_URL: redis.url(),
          API_KEYS_FILE: path,
          INSTANCE_ID: instance,
        },
      }),
    ),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
  const [one, two] = gateways
  if (one === undefined || two === undefined) return expect.fail()

  const reader = await connectClient(scope, one.url, { session: 'reader' })
  const answers = new Map<number, number>()
  reader.socket.on('room:message', ({ from, body }: RoomMessage) => {
    if (from.id !== 'api:bots') return
    const { answerTo } = body as { answerTo: number }
    answers.set(answerTo, (answers.get(answerTo) ?? 0) + 1)
  })
  await reader.ask('room:join', { room: ROOM })
  const startBot = ({ url }: { url: string }): Promise<Child> =>
    startChild(scope, process.execPath, [BOT, url, ROOM], {
      cwd: repositoryRoot,
      env: { ROOMWIRE_API_KEY: keys['bots'] ?? '' },
    })
  const bots = await Promise.all([one, two, two].map(startBot))

  const questions: number[] = []
  for (let index = 0; index < MESSAGES; index += 20) {
    const batch = Array.from({ length: 20 }, (_, each) => ({
      ...{ id: `q${index + each}`, body: index + each, from: { id: 'somebody' } },
    }))
    const path = `/api/rooms/${ROOM}/messages`
    const { reply } = await callApi<{ results: { position: { offset: number } }[] }>(
      ...([one.url, keys['people'], 'POST', path, batch] as const),
    )
    questions.push(...reply.results.map(({ position }) => position.offset))
    if (index === MESSAGES / 2) {
      // In the middle of some, with claims of its own.
      await expect.poll(() => answers.size, { timeout: 30_000 }).toBeGreaterThan(0)
      bots[2]?.signal('SIGKILL')
    }
  }
  await expect.poll(() => answers.size, { timeout: 50_000 }).toBe(MESSAGES)
  expect([...answers.keys()].sort((a, b) => a - b)).toEqual(questions)
  expect([...answers.values()].every((times) => times === 1)).toBe(true)
  expect(bots.flatMap(({ lines }) => lines)).toEqual([])
}, 120_000)
