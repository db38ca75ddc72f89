import { expect, it } from 'vitest'
import { createMemoryStore } from '../../server/broker/memory-store.ts'
import type { RoomMessage } from '../../server/protocol.ts'
import { connectClient } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

const room = 'r'

it('afterStore hears of each message once, on the instance that stored it', async () => {
  const scope = testScope()
  const store = createMemoryStore()
  const heard: [instance: string, message: RoomMessage][] = []
  const [a, b] = await Promise.all(
    ['a', 'b'].map((instance) =>
      startInProcess(
        scope,
        { INSTANCE_ID: instance },
        { store, afterStore: (message) => void heard.push([instance, message]) },
      ),
    ),
  )
  const clients = await Promise.all(
    [a, b].map((gateway) =>
      connectClient(scope, gateway?.url ?? '', { session: 's', name: 'Ann' }),
    ),
  )
  const [ann, again] = clients
  if (ann === undefined || again === undefined) return expect.fail()
  const body = { text: 'hello' }
  const { position, at } = await ann.ask('room:send', { room, id: '1', body })
  await again.ask('room:send', { room, id: '1', body: 'again' })
  const second = await again.ask('room:send', { room, id: '2', body: null })
  await eventually(() => heard.length === 2)
  expect(heard).toMatchObject([
    ['a', { room, epoch: position.epoch, offset: 1, at, id: '1', from: { name: 'Ann' }, body }],
    ['b', { room, offset: second.position.offset, id: '2', body: null }],
  ])
})

it('what afterStore throws or takes its time for concerns nobody else', async () => {
  const scope = testScope()
  let calls = 0
  const gateway = await startInProcess(
    scope,
    {},
    {
      afterStore() {
        calls += 1
        if (calls === 1) throw new Error('thrown')
        if (calls === 2) return Promise.reject(new Error('rejected'))
        return new Promise(() => undefined)
      },
    },
  )
  const ann = await connectClient(scope, gateway.url)
  await ann.ask('room:join', { room })
  for (const id of ['1', '2', '3', '4']) await ann.ask('room:send', { room, id, body: id })
  await eventually(() => ann.messages(room).length === 4 && calls === 4)
})

it('CLASSIFIER=language says the language of a text, and nothing of what is none', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope, { CLASSIFIER: 'language' })
  const ann = await connectClient(scope, gateway.url)
  await ann.ask('room:join', { room })
  const texts: [string, string | undefined][] = [
    ['The build is broken again, can somebody have a look?', 'en'],
    ['ok', undefined],
    ['Ich komme heute etwas später', 'de'],
    ['https://example.com/a/b', undefined],
    ['Nos vemos mañana por la mañana', 'es'],
    ['また明日', 'ja'],
    ['🎉🎉', undefined],
    ['Увидимся завтра вечером', 'ru'],
  ]
  for (const [index, [text]] of texts.entries()) {
    await ann.ask('room:send', { room, id: `${index}`, body: { text } })
  }
  await eventually(() => ann.received('room:labels').length === 5)
  const { messages } = await ann.ask('room:history', { room })
  expect(messages.map(({ labels }) => labels?.['language'])).toEqual(texts.map(([, code]) => code))
})

it('without a classifier there are no labels', async () => {
  const scope = testScope()
  const gateway = await startInProcess(scope)
  const ann = await connectClient(scope, gateway.url)
  await ann.ask('room:join', { room })
  await ann.ask('room:send', { room, id: '1', body: 'The build is broken again' })
  await ann.ask('room:send', { room, id: '2', body: 'Ich komme heute etwas später' })
  const { messages } = await ann.ask('room:history', { room })
  expect(messages[0]).not.toHaveProperty('labels')
  expect(ann.received('room:labels')).toEqual([])
})
