import { fork } from 'node:child_process'
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import type { Scope } from '../support/scope.ts'

/** Connections that send more than they may, are cut, come back, and go on with another account. */
export interface FloodPlan {
  url: string
  /** Tokens by flooder: one after the other, each of another user. */
  accounts: readonly (readonly string[])[]
  /** Messages a second that each sends. */
  perSecond: number
  forMs: number
}

/** What they saw; a session is a connection that was let in, and not ended by the end of the time. */
export interface FloodReport {
  sent: number
  stored: number
  refused: number
  sessions: number
  /** Sessions that had a RATE_LIMITED reply with `retryAfterMs`, and those that had ABUSE at their end. */
  told: number
  cut: number
  /** How long they were let flood, ms: on average, and at most. */
  lastedMs: number
  longestMs: number
  /** Attempts to come back that were refused with RATE_LIMITED and `retryAfterMs`, and all others. */
  keptOut: number
  letBackIn: number
}

/** A process that floods, and waits until it is told to. */
export interface Flooders {
  flood(plan: FloodPlan): Promise<FloodReport>
}

/**
 * A process of its own, so that those who measure do not wait for it. Its priority is the lowest: the
 * two cores of a small machine are the gateway's first, as if the flood came over a network.
 */
export async function startFlooders(scope: Scope): Promise<Flooders> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ['--import', 'tsx'] })
  scope.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const said = () =>
    Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the flooders ended (${code})`)
      }),
    ])
  await said() // it is there: what its start costs is over
  return {
    async flood(plan) {
      child.send(plan)
      const [report] = await said()
      return report as FloodReport
    },
  }
}

/** Messages are sent in so many bursts a second. */
const BURSTS = 20
const PAUSE_MS = 250
const RETRY = /"code":"RATE_LIMITED".*"retryAfterMs":[1-9]/

async function floodHere({ url, accounts, perSecond, forMs }: FloodPlan): Promise<FloodReport> {
  const end = performance.now() + forMs
  const report: FloodReport = {
    ...{ sent: 0, stored: 0, refused: 0, sessions: 0, told: 0, cut: 0 },
    ...{ lastedMs: 0, longestMs: 0, keptOut: 0, letBackIn: 0 },
  }

  /** One connection, as bare as can be: what it costs here is not measured. */
  async function session(token: string, name: string): Promise<'let in' | 'kept out' | 'other'> {
    const socket = new WebSocket(
      `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`,
      {
        perMessageDeflate: false,
      },
    )
    let outcome: 'let in' | 'kept out' | 'other' = 'other'
    let told = false
    let cut = false
    let since = 0
    let number = 0
    let timer: NodeJS.Timeout | undefined

    function burst(): void {
      if (performance.now() >= end) socket.terminate()
      for (let more = 0; more < perSecond / BURSTS; more += 1) {
        if (socket.readyState !== WebSocket.OPEN) return
        number += 1
        report.sent += 1
        const message = { room: 'flood', id: `${name}-${number}`, body: 'x'.repeat(100) }
        socket.send(`42${number}["room:send",${JSON.stringify(message)}]`)
      }
    }

    socket.on('message', (data) => {
      const packet = String(data)
      if (packet.startsWith('43')) {
        if (packet.includes('"ok":true')) report.stored += 1
        else report.refused += 1
        told ||= RETRY.test(packet)
      } else if (packet.startsWith('0')) socket.send(`40${JSON.stringify({ token })}`)
      else if (packet.startsWith('40')) {
        outcome = 'let in'
        since = performance.now()
        timer = setInterval(burst, 1000 / BURSTS)
      } else if (packet.startsWith('44')) {
        if (RETRY.test(packet)) outcome = 'kept out'
        socket.terminate()
      } else if (packet.startsWith('42["gateway:bye"')) cut = packet.includes('"ABUSE"')
      else if (packet === '2') socket.send('3')
    })
    socket.on('error', () => undefined) // the close that follows says it
    await once(socket, 'close')
    clearInterval(timer)
    if (since > 0 && performance.now() < end) {
      const lasted = performance.now() - since
      report.sessions += 1
      report.lastedMs += lasted
      report.longestMs = Math.max(report.longestMs, lasted)
      if (told) report.told += 1
      if (cut) report.cut += 1
    }
    return outcome
  }

  async function flooder(tokens: readonly string[], index: number): Promise<void> {
    // Nobody makes them keep step: a crowd that arrives in one moment is another matter (admission).
    await sleep((index / accounts.length) * 1000)
    for (const [account, token] of tokens.entries()) {
      const name = `${index}-${account}`
      await session(token, name)
      if (performance.now() >= end) return
      await sleep(PAUSE_MS)
      const back = await session(token, `${name}-back`)
      if (performance.now() >= end) return
      if (back === 'kept out') report.keptOut += 1
      else report.letBackIn += 1
      await sleep(PAUSE_MS)
    }
    throw new Error('there were not enough accounts for this time')
  }

  await Promise.all(accounts.map(flooder))
  report.lastedMs /= report.sessions
  return report
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send !== undefined) {
  setPriority(constants.priority.PRIORITY_LOW)
  process.on('message', (plan: FloodPlan) => {
    void floodHere(plan).then((report) => process.send?.(report))
  })
  process.send('ready')
}
