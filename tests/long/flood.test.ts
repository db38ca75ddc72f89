import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Client, connectClient } from '../support/client.ts'
import { startGateway } from '../support/gateway-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { startRedis } from '../support/redis-server.ts'
import { testScope } from '../support/test-scope.ts'
import { type FloodReport, startFlooders } from './flooders.ts'

const FLOODERS = 50
/** Messages per second that a connection may send, and what a flooder sends. */
const LIMIT = 20
const FLOOD = LIMIT * 10
const PHASE_MS = Number(process.env['FLOOD_SECONDS'] ?? 10) * 1000
const OTHERS = 20
/** Without and with the flood in turn: what else the machine does hits both. */
const ROUNDS = [1, 2, 3, 4]
/** A flooder needs no more: none is cut and back within half a second. */
const ACCOUNTS = Math.ceil(PHASE_MS / 500) + 1

test('a flood from 50 connections at ten times their limits: others hardly notice', {
  timeout: 300_000,
}, async () => {
  const scope = testScope()
  const [issuer, redis, flooders] = await Promise.all([
    createIssuer(scope),
    startRedis(scope),
    startFlooders(scope),
  ])
  const gateway = await startGateway(scope, {
    env: {
      ...issuer.env,
      REDIS_URL: redis.url(),
      LIMIT_CONNECTION_SENDS: `${LIMIT}/s`,
      LIMIT_USER_SENDS: `${LIMIT * 2}/s`,
    },
  })
  await gateway.ready()
  const tokenOf = (sub: string) => issuer.token({ sub, roomwire: { rooms: ['*'] } })
  const others = await Promise.all(
    Array.from({ length: OTHERS }, async (_, index) =>
      connectClient(scope, gateway.url, { token: await tokenOf(`other-${index}`) }),
    ),
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

  const accounts = (round: number) =>
    Promise.all(
      Array.from({ length: FLOODERS }, (_, flooder) =>
        Promise.all(
          Array.from({ length: ACCOUNTS }, (_, account) =>
            tokenOf(`flooder-${round}-${flooder}-${account}`),
          ),
        ),
      ),
    )

  const calm: number[] = []
  const stormy: number[] = []
  const phases: object[] = []
  for (const round of ROUNDS) {
    const tokens = await accounts(round)
    const before = await measure(`calm-${round}`)
    const flooding = flooders.flood({
      ...{ url: gateway.url, accounts: tokens },
      ...{ perSecond: FLOOD, forMs: PHASE_MS },
    })
    const [during, report] = await Promise.all([measure(`storm-${round}`), flooding])
    calm.push(...before)
    stormy.push(...during)
    phases.push({ calm: spread(before), storm: spread(during), ...report })
    expectCut(report)
  }
  const figures = { calm: spread(calm), storm: spread(stormy), sends: calm.length + stormy.length }
  console.info(
    `acknowledgements, ms: ${JSON.stringify(figures)}\n${phases.map((phase) => JSON.stringify(phase)).join('\n')}`,
  )
  expect(figures.storm.p99).toBeLessThanOrEqual(figures.calm.p99 * 1.5 + 5)
})

function expectCut({ sessions, told, cut, keptOut, letBackIn }: FloodReport): void {
  expect(sessions).toBeGreaterThanOrEqual(FLOODERS)
  expect(told).toBe(sessions)
  expect(cut).toBe(sessions)
  expect(keptOut).toBeGreaterThanOrEqual(FLOODERS)
  expect(letBackIn).toBe(0)
}

function spread(times: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1))
  return { p50: at(0.5), p99: at(0.99), max: at(1 - 1e-9) }
}
