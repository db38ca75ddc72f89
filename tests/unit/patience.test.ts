import { describe, expect, it, onTestFinished } from 'vitest'
import { createPatience, type Patience } from '../../server/broker/redis/patience.ts'

function patience(): Patience {
  const made = createPatience()
  onTestFinished(() => made.stop())
  return made
}

const never = () => new Promise<never>(() => undefined)

/** Keeps the event loop from turning. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('patience', () => {
  it('D7 gives up a peer that is silent, with an unknown outcome', async () => {
    await expect(patience().expect(150, never())).rejects.toMatchObject({
      kind: 'timeout',
      outcomeUnknown: true,
    })
  })

  it('settles as the work does', async () => {
    const { expect: wait } = patience()
    expect(await wait(150, Promise.resolve(1))).toBe(1)
    await expect(wait(150, Promise.reject(new Error('no')))).rejects.toThrow('no')
  })

  it('waits for a peer that is heard, however long the answer takes', async () => {
    const peer = patience()
    const talk = setInterval(peer.heard, 20)
    onTestFinished(() => clearInterval(talk))
    const answer = new Promise((resolve) => setTimeout(resolve, 800, 'late'))
    expect(await peer.expect(300, answer)).toBe('late')
  })

  it('does not hold against the peer that this process was busy', async () => {
    const { expect: wait } = patience()
    const answer = new Promise((resolve) => setTimeout(resolve, 350, 'in time'))
    const outcome = wait(300, answer)
    block(600) // the answer is due, and so is the deadline: both are looked at afterwards
    expect(await outcome).toBe('in time')
  })
})
