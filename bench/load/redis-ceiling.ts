import { connect } from 'node:net'
import { appendScript } from '../../server/broker/redis/append-script.ts'
import { roomKeys } from '../../server/broker/redis/keys.ts'
import { micros } from './clock.ts'
import type { Target } from './wire.ts'

const CONNECTIONS = 4
const IN_FLIGHT = 64
const ROOMS = 50
const DAY_MS = 86_400_000

/**
 * Appends per second that Redis does when nothing stands before it: the gateway's own script, called
 * from a few connections that never let Redis wait.
 */
export async function appendCeiling(
  target: Target,
  bodyBytes: number,
  ms: number,
): Promise<number> {
  const content = `{"id":"0","from":{"id":"0"},"body":"${'x'.repeat(bodyBytes - 2)}"}`
  const retention = { logMax: 10_000, logTtlMs: DAY_MS, dedupWindowMs: DAY_MS }
  const append = appendScript(false, retention)
  let sent = 0
  let appended = 0

  function call(): string {
    sent += 1
    const keys = roomKeys('ceiling', `room-${sent % ROOMS}`)
    return command([
      ...[sent <= CONNECTIONS ? 'EVAL' : 'EVALSHA'],
      ...[sent <= CONNECTIONS ? append.source : append.sha, '3'],
      ...[keys.meta, keys.log, keys.dedup('sender', String(sent))],
      ...[keys.channel, 'epoch', 'bench', content],
    ])
  }

  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect({ ...target, noDelay: true })
      let loaded = false
      socket.on('data', (chunk) => {
        // One array for each call; a `-` begins an error.
        let replies = 0
        for (const byte of chunk) if (byte === 0x2a) replies += 1
        if (chunk[0] === 0x2d) throw new Error(`append: ${chunk.toString('utf8', 0, 200)}`)
        appended += replies
        // Until the script is there, one call at a time.
        if (!loaded) replies = IN_FLIGHT
        loaded = true
        let calls = ''
        for (let count = 0; count < replies; count += 1) calls += call()
        socket.write(calls)
      })
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject)
        socket.once('connect', resolve)
      })
      socket.write(call())
      return socket
    }),
  )
  await new Promise((resolve) => setTimeout(resolve, ms / 4)) // warm-up
  const [before, started] = [appended, micros()]
  await new Promise((resolve) => setTimeout(resolve, ms))
  const rate = ((appended - before) * 1e6) / (micros() - started)
  for (const socket of sockets) socket.destroy()
  return rate
}

function command(args: readonly string[]): string {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
  return `*${args.length}\r\n${parts.join('')}`
}
