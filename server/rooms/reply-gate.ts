import { createTurns } from './turns.ts'

/**
 * Bounds what all replies with messages hold in memory while they are made (D8), and the time one
 * turn of the event loop spends on them. Who asks for many waits behind who asks for one: askers
 * have their turns round robin.
 */
export interface ReplyGate {
  /** Undefined: go on at once. Else resolves when it is the asker's turn. `leave` must follow. */
  enter(asker: object): Promise<void> | undefined
  /** The reply was made, of about so many bytes; or it was not. */
  leave(bytes: number): void
}

export interface ReplyGateOptions {
  /** Replies being made at once; each may hold a page of the log. */
  width: number
  bytesPerTurn: number
  msPerTurn: number
}

export function createReplyGate(options: ReplyGateOptions): ReplyGate {
  const waiting = new Map<object, (() => void)[]>()
  let making = 0
  let bytes = 0
  let turn = 0
  const turns = createTurns({ budgetMs: () => options.msPerTurn, next })

  function isOpen(): boolean {
    if (turns.number !== turn) {
      turn = turns.number
      bytes = 0
    }
    return making < options.width && bytes < options.bytesPerTurn
  }

  function next(): (() => void) | undefined {
    // A turn that has had its bytes is over, which is not to say that nothing can be done.
    if (making < options.width && !isOpen()) turns.wake()
    if (!isOpen()) return undefined
    for (const [asker, queue] of waiting) {
      const admit = queue.shift()
      waiting.delete(asker)
      if (queue.length > 0) waiting.set(asker, queue) // behind the others
      return admit
    }
    return undefined
  }

  return {
    enter(asker) {
      if (turns.mayNow() && isOpen()) {
        making += 1
        return undefined
      }
      return new Promise((resolve) => {
        const admit = () => {
          making += 1
          resolve()
        }
        const queue = waiting.get(asker)
        if (queue === undefined) waiting.set(asker, [admit])
        else queue.push(admit)
        turns.wake()
      })
    },
    leave(made) {
      making -= 1
      bytes += made
      if (waiting.size > 0) turns.wake()
    },
  }
}
