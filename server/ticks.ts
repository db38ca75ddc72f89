export const TICK_MS = 100

/** @param elapsedMs since the previous tick; what exceeds `TICK_MS` is lateness */
export type Look = (elapsedMs: number) => void

const looks = new Set<Look>()
let timer: NodeJS.Timeout | undefined
let tickedAt = 0

function tick(): void {
  const now = performance.now()
  const elapsedMs = now - tickedAt
  tickedAt = now
  for (const look of looks) look(elapsedMs)
}

/**
 * Calls `look` ten times a second, until the returned function is called. One timer for all: waking up is
 * most of what an idle process does. Keeps no process alive.
 */
export function everyTick(look: Look): () => void {
  looks.add(look)
  if (timer === undefined) {
    tickedAt = performance.now()
    timer = setInterval(tick, TICK_MS).unref()
  }
  return () => {
    looks.delete(look)
    if (looks.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}
