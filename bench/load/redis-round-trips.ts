import { connect } from 'node:net'
import { type Counts, createHistogram } from '../histogram.ts'
import { micros } from './clock.ts'
import type { Target } from './wire.ts'

const EVERY_MS = 10

/** Round trips of a bare PING on a connection of its own: what nobody who asks Redis can beat. */
export function pingRedis(target: Target, ms: number): Promise<Counts> {
  const roundTrips = createHistogram()
  const socket = connect({ ...target, noDelay: true })
  let askedAt = 0
  socket.on('data', () => {
    roundTrips.record(micros() - askedAt)
    askedAt = 0
  })
  const ticker = setInterval(() => {
    if (askedAt !== 0) return
    askedAt = micros()
    socket.write('*1\r\n$4\r\nPING\r\n')
  }, EVERY_MS)
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    setTimeout(() => {
      clearInterval(ticker)
      socket.destroy()
      resolve(roundTrips.counts())
    }, ms)
  })
}
