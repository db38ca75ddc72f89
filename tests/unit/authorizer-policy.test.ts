import { expect, test } from 'vitest'
import { createAuthorizerPolicy } from '../../server/session/authorizer-policy.ts'
import type { Identity } from '../../server/session/identity.ts'

const identity: Identity = {
  user: { id: 'ann' },
  sender: 'u:ann',
  session: undefined,
  token: undefined,
}

function start(answer: (question: Record<string, unknown>) => Response | Promise<Response>) {
  const questions: Record<string, unknown>[] = []
  let atOnce = 0
  let most = 0
  const failures: unknown[] = []
  const policy = createAuthorizerPolicy({
    ...{ url: 'http://app/authorize', secret: () => 's3cret', timeoutMs: 1000, cacheTtlMs: 60_000 },
    publicRooms: ['public:*'],
    failed: (error) => failures.push(error),
    fetch: async (_url, init) => {
      const question = JSON.parse(String(init?.body))
      questions.push({
        ...question,
        authorization: new Headers(init?.headers).get('authorization'),
      })
      atOnce += 1
      most = Math.max(most, atOnce)
      try {
        return await answer(question)
      } finally {
        atOnce -= 1
      }
    },
  })
  const may = async (room: string) => {
    const verdict = await policy.may(identity, 'join', room)
    return verdict === true ? 'ok' : verdict.code
  }
  return { may, questions, failures, most: () => most }
}

test('it is asked with its secret, and its answer holds for a while', async () => {
  const { may, questions } = start(({ room }) => Response.json({ allow: room === 'mine' }))
  expect(await Promise.all([may('mine'), may('mine'), may('other')])).toEqual([
    'ok',
    'ok',
    'FORBIDDEN',
  ])
  expect(await may('mine')).toBe('ok')
  expect(questions).toHaveLength(2)
  const asked = { user: 'ann', action: 'join', room: 'mine', claims: null }
  expect(questions[0]).toEqual({ ...asked, authorization: 'Bearer s3cret' })
})

test('public rooms need no question', async () => {
  const { may, questions } = start(() => expect.fail('it was asked'))
  expect(await may('public:lobby')).toBe('ok')
  expect(questions).toEqual([])
})

test.each([
  ['an error', () => new Response('', { status: 500 })],
  ['no connection', () => Promise.reject(new Error('refused'))],
  ['nonsense', () => new Response('yes')],
  ['what is merely true to some', () => Response.json({ allow: 'true' })],
  ['a redirection', () => new Response('', { status: 302 })],
  ['null', () => Response.json(null)],
])('%s is no, and is not remembered', async (_what, answer) => {
  const { may, questions, failures } = start(answer)
  expect(await may('mine')).toBe('UNAVAILABLE')
  expect(await may('mine')).toBe('UNAVAILABLE')
  expect({ asked: questions.length, failed: failures.length }).toEqual({ asked: 2, failed: 2 })
})

test('403 is a no that holds', async () => {
  const { may, questions } = start(() => new Response('', { status: 403 }))
  expect([await may('mine'), await may('mine')]).toEqual(['FORBIDDEN', 'FORBIDDEN'])
  expect(questions).toHaveLength(1)
})

test('D8: so many questions at once, so many that wait, and no more', async () => {
  const held: (() => void)[] = []
  const { may, most } = start(async () => {
    await new Promise<void>((resolve) => held.push(resolve))
    return Response.json({ allow: true })
  })
  const verdicts = Array.from({ length: 6000 }, (_, index) => may(`r${index}`))
  let settled = false
  const all = Promise.all(verdicts).finally(() => {
    settled = true
  })
  while (!settled) {
    for (const release of held.splice(0)) release()
    await new Promise(setImmediate)
  }
  const counts = (await all).reduce<Record<string, number>>((sum, code) => {
    sum[code] = (sum[code] ?? 0) + 1
    return sum
  }, {})
  expect(counts).toEqual({ ok: 5064, UNAVAILABLE: 936 })
  expect(most()).toBe(64)
})
