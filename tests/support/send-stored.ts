import { setTimeout as sleep } from 'node:timers/promises'
import type { Accepted, Client } from './client.ts'

/**
 * Sends as a client has to: again, with the same id, for as long as the answer is retryable (D2, D7).
 * On a machine with other things to do a burst may take longer than the gateway waits for Redis.
 */
export async function sendStored(
  client: Client,
  message: { room: string; id: string; body: unknown },
): Promise<Accepted<'room:send'>> {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await client.request('room:send', message, 30_000)
    if (reply.ok) return reply as Accepted<'room:send'>
    const { code, message: why, retryable, retryAfterMs = 100 } = reply.error
    if (!retryable || attempt === 20) throw new Error(`room:send: ${code}: ${why}`)
    await sleep(retryAfterMs)
  }
}
