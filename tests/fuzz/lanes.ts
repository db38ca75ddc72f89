import { connect } from 'node:net'
import fc from 'fast-check'
import type { Place } from '../support/reconnection-script.ts'

/**
 * Draws `count` values in batches, so that a hundred thousand of them are never in memory at once, and
 * hands each to `work`, `width` at a time. The same seed draws the same.
 */
export async function drawEach<T>(
  arbitrary: fc.Arbitrary<T>,
  options: { seed: number; count: number; width: number },
  work: (value: T, lane: number) => Promise<void>,
): Promise<void> {
  const { seed, count, width } = options
  for (let drawn = 0; drawn < count; drawn += BATCH) {
    const numRuns = Math.min(BATCH, count - drawn)
    const values = fc.sample(arbitrary, { seed: seed + drawn, numRuns })
    let next = 0
    const lane = async (_: unknown, index: number) => {
      for (let at = next++; at < values.length; at = next++) await work(values[at] as T, index)
    }
    await Promise.all(Array.from({ length: width }, lane))
  }
}

const BATCH = 2000

/** What came back for some bytes: the whole answer as far as it came until `waitMs` passed. */
export interface Answer {
  status: number | undefined
  text: string
  closed: boolean
}

/** Writes bytes on a TCP connection of their own; resolves with the first answer, or its absence. */
export function exchange(
  { url }: Pick<Place, 'url'>,
  bytes: Buffer,
  waitMs: number,
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: hostname, port: Number(port) })
    function finish(closed: boolean): void {
      clearTimeout(limit)
      // Without a FIN: tens of thousands of ports would wait for their time-out.
      socket.resetAndDestroy()
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]
      resolve({ status: status === undefined ? undefined : Number(status), text, closed })
    }
    const limit = setTimeout(finish, waitMs, false)
    socket.on('error', () => undefined) // the close that follows says it
    socket.on('close', () => finish(true))
    socket.on('data', (data) => {
      text += data.toString('latin1')
      if (isWhole(text)) finish(false)
    })
    socket.write(bytes)
  })
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1]
  return length === undefined || text.length - end - 4 >= Math.min(Number(length), 20_000)
}

/** What no answer may hold: our files, a stack. */
export const LEAKS = /node_modules|server\/[\w-]+\/[\w-]+\.(ts|js)|\n\s+at .+:\d+:\d+/
