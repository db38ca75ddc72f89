import type { Position, ResetEvent, RoomMessage } from '../../server/protocol.ts'
import type { Client } from './client.ts'
import { eventually } from './eventually.ts'
import { join } from './rejoin.ts'

/** A member who takes the contract at its word: each message continues the last, or a reset came. */
export interface Follower {
  readonly client: Client
  /** Everything up to here is known, as of the last reset. */
  readonly place: Position
  /** Where it was told to start over. */
  readonly resets: readonly Position[]
  /** Every message that continued nothing; empty while the contract holds (D3, D4, D6). */
  readonly problems: readonly string[]
  /** Resolves when it was told to start over, `count` times in all. */
  told(count?: number): Promise<void>
  /** Resolves when it is at this place; rejects at once when something was wrong on the way. */
  reached(position: Position): Promise<void>
}

/** Joins a room and follows it from there. */
export async function follow(client: Client, room: string): Promise<Follower> {
  const resets: Position[] = []
  const problems: string[] = []
  const early: (() => void)[] = []
  let place: Position | undefined

  function message({ epoch, offset, at }: RoomMessage): void {
    if (epoch !== place?.epoch || offset !== place.offset + 1) {
      problems.push(`${epoch}:${offset} came after ${place?.epoch}:${place?.offset}`)
    }
    place = { epoch, offset, at }
  }
  function reset({ position }: ResetEvent): void {
    resets.push(position)
    place = position
  }
  /** What arrives before we know our place waits for it. */
  const placed = (handle: () => void) => (place === undefined ? early.push(handle) : handle())
  client.socket.on('room:message', (event: RoomMessage) => {
    if (event.room === room) placed(() => message(event))
  })
  client.socket.on('room:reset', (event: ResetEvent) => {
    if (event.room === room) placed(() => reset(event))
  })

  const { reply, before } = await join(client, { room })
  place = reply.position
  if (before.length > 0) problems.push(`${before.length} messages came before the membership`)
  else for (const handle of early) handle()
  const known = place

  return {
    client,
    get place() {
      return place ?? known
    },
    resets,
    problems,
    async told(count = 1) {
      await eventually(() => resets.length >= count, { what: `reset ${count}` })
    },
    async reached({ epoch, offset }) {
      const there = () => place?.epoch === epoch && place.offset === offset
      await eventually(() => problems.length > 0 || there(), { what: `${epoch}:${offset}` })
      if (problems.length > 0) throw new Error(problems.join('\n'))
    },
  }
}
