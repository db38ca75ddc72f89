import { createSecretKey } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { GatewayError } from '../../server/errors.ts'
import { createTokens } from '../../server/session/tokens.ts'
import { startBystanders } from '../support/bystanders.ts'
import { eventually } from '../support/eventually.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { readMetric } from '../support/metrics.ts'
import { connectRaw, type RawConnection } from '../support/raw-connection.ts'
import { startRedis } from '../support/redis-server.ts'
import { createScope, type Scope } from '../support/scope.ts'
import { frames } from './frames.ts'
import { bytesOf, httpRequest, rawRequest } from './http.ts'
import { drawEach, exchange, LEAKS } from './lanes.ts'
import { brokenPacket, pollingPayload, requestPacket } from './packets.ts'
import { fuzzedToken } from './tokens.ts'

/** How many inputs of each kind, in a run of several rounds. */
export interface FuzzCounts {
  requests: number
  packets: number
  frames: number
  http: number
  raw: number
  polls: number
  tokens: number
}

export interface FuzzReport {
  inputs: number
  /** Whatever should not have been, with the input that did it; the first few. */
  problems: string[]
  /** Answers by what they were, for a look at whether the fuzzer reaches anything. */
  seen: Record<string, number>
  /** Heap in use after a collection, after each round, MiB. */
  heapMiB: number[]
  rssMiB: number[]
  /** Messages that bystanders sent and got in order meanwhile. */
  bystanders: number
}

const MAX_PROBLEMS = 20
/** A silent peer: it waits for the rest of a frame, of a request, of attachments. */
const SILENCE_MS = 150
const PATIENCE_MS = 20_000
const PING_SECONDS = 4

/**
 * Throws everything at a gateway that arrives over the network, in rounds, beside clients that must
 * not notice. The gateway is a process of its own, on a real Redis.
 */
export async function runFuzz(
  scope: Scope,
  options: { seed: number; rounds: number; counts: FuzzCounts },
): Promise<FuzzReport> {
  const { seed, rounds, counts } = options
  const redis = await startRedis(scope)
  const reporter = fileURLToPath(new URL('../support/report-memory.mjs', import.meta.url))
  const gateway = await startGateway(scope, {
    nodeArgs: ['--expose-gc', '--import', reporter],
    env: {
      ...{ REDIS_URL: redis.url(), LOG_LEVEL: 'info', DRAIN_NOTICE: '0ms', DRAIN_PERIOD: '0ms' },
      OPERATOR_TOKEN: 'nobody knows this token',
      WEBSOCKET_SERVER_PING_INTERVAL: String(PING_SECONDS),
      WEBSOCKET_SERVER_PING_TIMEOUT: String(PING_SECONDS),
    },
  })
  await gateway.ready()
  const bystanders = await startBystanders(scope, gateway.url)
  const tally = createTally()
  const heapMiB: number[] = []
  const rssMiB: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const share = (count: number) => Math.ceil(count / rounds)
    const draw = (kind: number, count: number, width: number) => ({
      ...{ seed: seed + 1_000_003 * kind + 7_000_003 * round, count: share(count), width },
    })
    await fuzzRequests(scope, gateway, tally, draw(1, counts.requests, 8))
    await fuzzPackets(gateway, tally, draw(2, counts.packets, 32))
    await fuzzFrames(gateway, tally, draw(3, counts.frames, 32))
    await fuzzHttp(gateway, tally, draw(4, counts.http, 24))
    await fuzzRaw(gateway, tally, draw(5, counts.raw, 96))
    await fuzzPolling(gateway, tally, draw(6, counts.polls, 24))
    await fuzzTokens(tally, draw(7, counts.tokens, 16))
    if (!gateway.running) break
    const memory = await memoryOf(gateway)
    heapMiB.push(Math.round(memory.heapUsed / 2 ** 20))
    rssMiB.push(Math.round(memory.rss / 2 ** 20))
  }

  const heard = await bystanders.stop().catch((error: unknown) => {
    tally.problem('bystanders', String(error), '')
    return 0
  })
  await judge(gateway, tally)
  return { ...tally.report(), heapMiB, rssMiB, bystanders: heard }
}

type Draw = { seed: number; count: number; width: number }
type Tally = ReturnType<typeof createTally>

function createTally() {
  const problems: string[] = []
  const seen: Record<string, number> = {}
  let inputs = 0
  return {
    saw(kind: string, what: string | number) {
      inputs += 1
      const name = `${kind}: ${what}`
      seen[name] = (seen[name] ?? 0) + 1
    },
    problem(kind: string, what: string, input: string) {
      if (problems.length < MAX_PROBLEMS) problems.push(`${kind}: ${what} ← ${input.slice(0, 400)}`)
    },
    report: () => ({ inputs, problems, seen }),
  }
}

async function openSocket(url: string, scope = createScope()): Promise<RawConnection> {
  const connection = await connectRaw(scope, url)
  connection.socket.send('40')
  await connection.packet(/^40/)
  return connection
}

const HELLO = '42["gateway:hello",{}]'

/** Well-formed packets, many on one connection, which has to go on. */
async function fuzzRequests(scope: Scope, { url }: GatewayProcess, tally: Tally, draw: Draw) {
  const PIPELINE = 50
  const lanes = new Map<number, { connection: RawConnection; sent: string[]; asked: number }>()
  async function settle(lane: { connection: RawConnection; sent: string[]; asked: number }) {
    lane.asked += 1
    lane.connection.socket.send(HELLO.replace('42', `42${lane.asked}`))
    const answer = await within(lane.connection.packet(new RegExp(`^43${lane.asked}\\[`)))
    if (answer === undefined) {
      tally.problem('request', 'its connection did not go on', lane.sent.join('\n').slice(-4000))
      lane.connection.close()
    }
    ;(lane.connection.packets as string[]).length = 0
    lane.sent = []
    return answer !== undefined
  }
  await drawEach(requestPacket, draw, async ([packet = ''], index) => {
    let lane = lanes.get(index)
    if (lane === undefined || !lane.connection.open || lane.asked > 900) {
      lane?.connection.close()
      lane = { connection: await openSocket(url, scope), sent: [], asked: 0 }
      lanes.set(index, lane)
    }
    lane.connection.socket.send(packet)
    lane.sent.push(String(packet))
    tally.saw('request', 'sent')
    if (lane.sent.length >= PIPELINE) await settle(lane)
  })
  for (const lane of lanes.values()) {
    await settle(lane)
    lane.connection.close()
  }
}

/** Packets that are none: the connection goes on, or is ended. */
async function fuzzPackets({ url }: GatewayProcess, tally: Tally, draw: Draw) {
  const lanes = new Map<number, RawConnection>()
  await drawEach(brokenPacket, draw, async (sequence, index) => {
    const known = lanes.get(index)
    const connection = known?.open ? known : await openSocket(url)
    lanes.set(index, connection)
    for (const part of sequence) connection.socket.send(part)
    tally.saw('packet', await afterwards(connection))
  })
  for (const connection of lanes.values()) connection.close()
}

/** Bytes in the place of frames, on a connection of their own. */
async function fuzzFrames({ url }: GatewayProcess, tally: Tally, draw: Draw) {
  await drawEach(frames, draw, async (parts) => {
    const connection = await openSocket(url)
    for (const part of parts) connection.writeBytes(part)
    tally.saw('frame', await afterwards(connection))
    connection.close()
  })
}

/** Whether a connection answers what is asked next, has been ended, or waits for more. */
async function afterwards(connection: RawConnection): Promise<'answered' | 'ended' | 'silent'> {
  ;(connection.packets as string[]).length = 0
  if (connection.open) connection.socket.send(HELLO.replace('42', '4277'))
  const silence = sleep(SILENCE_MS, 'silent' as const)
  const answer = connection
    .packet(/^4377/)
    .then((packet) => (packet === undefined ? ('ended' as const) : ('answered' as const)))
  const outcome = await Promise.race([answer, silence])
  if (outcome === 'silent') connection.close()
  return outcome
}

/** Requests that are HTTP: each is answered, none with our failure, none with what is inside. */
async function fuzzHttp(gateway: GatewayProcess, tally: Tally, draw: Draw) {
  await drawEach(httpRequest, draw, async (request) => {
    const bytes = bytesOf(request)
    // An upgrade, or a body that is announced and does not come, may wait.
    const mayWait = request.headers.some(([name]) => /^(upgrade|connection|expect)$/i.test(name))
    const answer = await exchange(gateway, bytes, mayWait ? 1000 : PATIENCE_MS)
    tally.saw('http', answer.status ?? (answer.closed ? 'closed' : 'silent'))
    const input = bytes.toString('latin1')
    if (answer.status === undefined && !answer.closed && !mayWait) {
      tally.problem('http', 'no answer', input)
    }
    look(tally, 'http', answer, input)
  })
}

/** Bytes in the place of HTTP. */
async function fuzzRaw(gateway: GatewayProcess, tally: Tally, draw: Draw) {
  await drawEach(rawRequest, draw, async (bytes) => {
    const answer = await exchange(gateway, bytes, SILENCE_MS)
    tally.saw('raw', answer.status ?? (answer.closed ? 'closed' : 'silent'))
    look(tally, 'raw', answer, bytes.toString('latin1'))
  })
}

function look(
  tally: Tally,
  kind: string,
  answer: { status?: number | undefined; text: string },
  input: string,
) {
  const { status = 0, text } = answer
  // 501: Node's own, for a transfer coding that it does not know.
  const busy = status === 503 && text.includes('OVERLOADED')
  if (status >= 500 && status !== 501 && !busy) tally.problem(kind, text.slice(0, 300), input)
  if (LEAKS.test(text) && !text.includes('text/html') && !text.includes('javascript')) {
    tally.problem(kind, `tells what is inside: ${text.slice(0, 600)}`, input)
  }
}

/** Payloads of the polling transport. */
async function fuzzPolling({ url }: GatewayProcess, tally: Tally, draw: Draw) {
  const base = `${url}/socket.io/?EIO=4&transport=polling`
  const ask = async (query: string, init: RequestInit = {}) => {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const response = await fetch(`${base}${query}`, { ...init, signal })
    return { status: response.status, text: await response.text() }
  }
  await drawEach(pollingPayload, draw, async (payload) => {
    try {
      const sid = /"sid":"([^"]+)"/.exec((await ask('')).text)?.[1]
      await ask(`&sid=${sid}`, { method: 'POST', body: '40' })
      const answer = await ask(`&sid=${sid}`, { method: 'POST', body: payload })
      tally.saw('poll', answer.status)
      look(tally, 'poll', answer, payload)
      await ask(`&sid=${sid}`, { method: 'POST', body: '1' })
    } catch (error) {
      tally.problem('poll', String(error), payload)
    }
  })
}

/** Tokens, against the part that decides; half of what the key's holder made is accepted. */
async function fuzzTokens(tally: Tally, draw: Draw) {
  const key = createSecretKey(Buffer.from('a secret of thirty-two bytes, or more'))
  const tokens = createTokens({
    ...{
      keys: { current: () => [{ key, algorithms: ['HS256'] }] },
      issuer: undefined,
      audience: undefined,
    },
    ...{ clockSkewMs: 1000, userClaim: 'sub', nameClaim: 'name', now: () => 1_700_000_000_000 },
  })
  await drawEach(fuzzedToken(key), draw, async ({ text, signed }) => {
    try {
      const { user, token } = await tokens.verify(text)
      tally.saw('token', 'accepted')
      const whole = user.length > 0 && user.length <= 128 && user.isWellFormed()
      if (!signed || !whole || !(token.expiresAt > 1_699_999_998_000)) {
        tally.problem('token', 'was accepted', text)
      }
    } catch (error) {
      const refused = error instanceof GatewayError && error.code === 'UNAUTHORIZED'
      tally.saw('token', refused ? 'refused' : 'failed')
      if (!refused) tally.problem('token', String(error), text)
    }
  })
}

/** What the gateway says of itself at the end. */
async function judge(gateway: GatewayProcess, tally: Tally) {
  if (!gateway.running) {
    tally.problem('process', 'it ended', gateway.output.slice(-20).join('\n'))
    return
  }
  const unhandled = await readMetric(gateway.url, 'roomwire_unhandled_errors_total')
  if (unhandled > 0) tally.problem('process', `${unhandled} unhandled rejections`, '')
  const refusals = 'roomwire_requests_refused_total'
  const internal = await readMetric(gateway.url, refusals, { code: 'INTERNAL' })
  if (internal > 0) tally.problem('process', `${internal} requests were answered INTERNAL`, '')
  for (const { level, msg, err } of gateway.logs) {
    if (level >= 50) tally.problem('log', msg, JSON.stringify(err))
  }
}

/** Once what was thrown at it is over: its rooms have closed, connections without a word timed out. */
async function memoryOf(gateway: GatewayProcess): Promise<{ heapUsed: number; rss: number }> {
  await sleep(2 * PING_SECONDS * 1000 + 1000)
  const rooms = () => readMetric(gateway.url, 'roomwire_local_rooms')
  await eventually(async () => (await rooms()) <= 1, { what: 'closed rooms', timeoutMs: 30_000 })
  const said = () => gateway.logs.filter(({ msg }) => msg === 'memory')
  const before = said().length
  gateway.signal('SIGUSR2')
  await eventually(() => said().length > before, { what: 'a report of memory' })
  const last = said().at(-1)
  return { heapUsed: Number(last?.['heapUsed']), rss: Number(last?.['rss']) }
}

async function within<T>(answer: Promise<T>): Promise<T | undefined> {
  return Promise.race([answer, sleep(PATIENCE_MS, undefined, { ref: false })])
}
