import type { Socket as TcpSocket } from 'node:net'
import { isClear, type Line, writeThrough } from './line.ts'

/**
 * Gathers what one turn of the event loop writes to a connection, so that it leaves at the turn's end in
 * one write: twenty acknowledgements were twenty system calls, each as dear as all the rest.
 *
 * Frames go past engine.io's queue, and only where nothing waits, neither there nor below; the order is
 * that of the calls then, also with packets that take the plain path. Where something waits, `false`
 * is returned, and the plain path queues and counts.
 */
export interface Gathering {
  /** Complete WebSocket frames that leave at the end of this turn. */
  write(line: Line, frames: Buffer): boolean
  /** The same, at once, unless something was gathered before. */
  writeNow(line: Line, frames: Buffer): boolean
  /** What was gathered so far leaves now: something that takes long is about to be written. */
  release(): void
  /** Work for the end of this turn; what it writes leaves with what was gathered. */
  beforeEnd(work: () => void): void
}

/** What is more than a few writes' worth does not wait. */
const MAX_GATHERED_BYTES = 65_536

export function createGathering(): Gathering {
  /** Corked by this one in this turn; some may be here twice. Not a Set: see keep-by-key.ts. */
  let held: TcpSocket[] = []
  let due: (() => void)[] = []
  let scheduled = false

  function release(): void {
    for (const tcp of held) tcp.uncork()
    held = []
  }

  function endOfTurn(): void {
    scheduled = false
    const works = due
    due = []
    try {
      for (const work of works) work()
    } finally {
      release()
    }
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(endOfTurn)
  }

  return {
    release,
    write(line, frames) {
      const { tcp } = line
      const corked = tcp.writableCorked > 0
      if (!isClear(line) || (!corked && tcp.writableLength > 0)) return false
      if (!corked) {
        tcp.cork()
        held.push(tcp)
        schedule()
      }
      tcp.write(frames)
      // What is uncorked again at the turn's end was not corked then: that does nothing.
      if (tcp.writableLength > MAX_GATHERED_BYTES) tcp.uncork()
      return true
    },
    writeNow(line, frames) {
      if (!isClear(line)) return false
      const { tcp } = line
      if (tcp.writableCorked > 0) tcp.write(frames)
      else if (tcp.writableLength === 0) writeThrough(line, frames)
      else return false
      return true
    },
    beforeEnd(work) {
      due.push(work)
      schedule()
    },
  }
}
