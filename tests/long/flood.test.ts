import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Client, connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'

const FLOODERS = 50
/** Messages per second that a connection may send, and what a flooder sends. */
const LIMIT = 20
const FLOOD = LIMIT * 10
const PHASE_MS = Number(process.env['FLOOD_SECONDS'] ?? 15) * 1000
const OTHERS = 20

test('a flood from 50 connections at ten times their limits: others hardly notice', {
  timeout: 300_000,
}, async () => {
  const scope = testScope()
  const [issuer, redis] = await Promise.all([createIssuer(scope), startRedis(scope)])
  const gateway = await startGateway(scope, {
    env: {
      ...issuer.env,
      REDIS_URL: redis.url(),
      LIMIT_CONNECTION_SENDS: `${LIMIT}/s`,
      LIMIT_USER_SENDS: `${LIMIT * 2}/s`,
    },
  })
  await gateway.ready()
  const connect = async (sub: string) =>
    connectClient(scope, gateway.url, {
      token: await issuer.token({ sub, roomwire: { rooms: ['*'] } }),
      reconnection: false,
    })
  const others = await Promise.all(
    Array.from({ length: OTHERS }, (_, index) => connect(`other-${index}`)),
  )

  /** Round trips of one phase, ms: each of the others sends five messages a second. */
  async function measure(phase: string): Promise<number[]> {
    const times: number[] = []
    const end = performance.now() + PHASE_MS
    const talk = async (client: Client, index: number) => {
      await sleep(index * 10)
      for (let number = 0; performance.now() < end; number += 1) {
        const started = performance.now()
        const id = `${phase}-${number}`
        await client.ask('room:send', { room: `quiet-${index % 5}`, id, body: 'hello' })
        times.push(performance.now() - started)
        await sleep(200)
      }
    }
    await Promise.all(others.map(talk))
    return times
  }

  async function flood(phase: string): Promise<{ told: boolean; cut: unknown }> {
    const client = await connect(`flooder-${phase}`)
    let told = false
    const end = performance.now() + PHASE_MS
    for (let number = 0; client.socket.connected && performance.now() < end; number += FLOOD / 20) {
      for (let more = 0; more < FLOOD / 20; more += 1) {
        const message = { room: 'flood', id: `${phase}-${number + more}`, body: 'x'.repeat(100) }
        client.socket.emit(
          'room:send',
          message,
          (reply: { error?: { code: string; retryAfterMs: number } }) => {
            if (reply.error?.code === 'RATE_LIMITED' && reply.error.retryAfterMs > 0) told = true
          },
        )
      }
      await sleep(50)
    }
    return { told, cut: client.received('gateway:bye')[0] }
  }

  const p99 = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0
  const calm: number[] = []
  const stormy: number[] = []
  for (const round of [1, 2]) {
    calm.push(...(await measure(`calm-${round}`)))
    const flooders = Array.from({ length: FLOODERS }, (_, index) => flood(`${round}-${index}`))
    stormy.push(...(await measure(`storm-${round}`)))
    for (const { told, cut } of await Promise.all(flooders)) {
      expect(told).toBe(true)
      expect(cut).toMatchObject({ code: 'ABUSE', reconnect: true })
    }
  }
  const figures = { calm: p99(calm), storm: p99(stormy), sends: calm.length + stormy.length }
  console.info(`p99 of acknowledgements, ms: ${JSON.stringify(figures)}`)
  expect(figures.storm).toBeLessThanOrEqual(figures.calm * 1.5 + 5)
})
