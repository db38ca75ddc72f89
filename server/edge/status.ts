import type { StatusEvent } from '../protocol.ts'

/** Whether clients are told that this instance cannot keep its promises right now (D7). */
export interface Status {
  /** What a new connection must hear; undefined while all is well. */
  current(): StatusEvent | undefined
  /** To be called whenever trouble may have begun or ended. */
  update(): void
  stop(): void
}

/** A reconnection of a few milliseconds is not worth a message to everybody. */
const SETTLE_MS = 250

export function createStatus(deps: {
  /** Undefined: no trouble; `starting` is no trouble yet. */
  trouble: () => string | undefined
  announce: (event: StatusEvent) => void
}): Status {
  let announced: string | undefined
  /** Somebody new was told of trouble that everybody else may never hear of. */
  let toldSomebody = false
  let timer: NodeJS.Timeout | undefined

  function settle(): void {
    timer = undefined
    const reason = deps.trouble()
    if (reason === announced && (reason !== undefined || !toldSomebody)) return
    announced = reason
    toldSomebody = false
    deps.announce(reason === undefined ? { state: 'ok' } : { state: 'degraded', reason })
  }

  return {
    current() {
      const reason = deps.trouble()
      if (reason === undefined) return undefined
      toldSomebody = true
      return { state: 'degraded', reason }
    },
    update() {
      if (deps.trouble() === undefined) {
        clearTimeout(timer)
        settle()
      } else {
        timer ??= setTimeout(settle, SETTLE_MS)
      }
    },
    stop: () => clearTimeout(timer),
  }
}
