/**
 * Answers every message of a room. Run as many as you like, on any instance: each message gets one
 * answer, also when a bot dies in the middle of one.
 *
 *   ROOMWIRE_API_KEY=rw_… node examples/answering-bot.mjs http://127.0.0.1:8080 lobby
 *
 * Its key needs the scopes publish and claim; all bots use keys of one name.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'roomwire/client'

const [url, room] = process.argv.slice(2)
const holder = `bot ${process.pid}`

/** Posts until there is an answer; what is sent twice is stored once. */
async function post(path, body, headers = {}) {
  for (;;) {
    const reply = await fetch(`${url}/api/rooms/${encodeURIComponent(room)}/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${process.env.ROOMWIRE_API_KEY}`,
        ...headers,
      },
      body: JSON.stringify(body),
    }).then(
      (response) => response.json(),
      () => ({ error: { retryable: true } }), // the gateway is away
    )
    if (reply.ok) return reply
    if (!reply.error.retryable) throw new Error(reply.error.message)
    await sleep(reply.error.retryAfterMs ?? 500)
  }
}

async function answer({ epoch, offset, body }) {
  // The place, since two senders may have used the same id.
  const claim = { id: `${epoch}:${offset}`, group: 'answers', holder }
  for (;;) {
    const { claimed, done, retryAfterMs } = await post('claims', { ...claim, leaseMs: 3000 })
    if (done) return
    if (claimed) break
    await sleep(retryAfterMs) // whoever has it may die
  }
  await post(
    'messages',
    { body: { answerTo: offset, text: `You said ${JSON.stringify(body)}` } },
    {
      'idempotency-key': `answer ${claim.id}`,
    },
  )
  await post('claims', { ...claim, leaseMs: 600_000, done: true })
}

for await (const message of connect(url, { storage: 'memory' }).room(room, { history: 1000 })) {
  if (!message.from.id.startsWith('api:')) answer(message).catch(console.error)
}
