export const TICK_MS = 100

const looks = new Set<() => void>()
let timer: NodeJS.Timeout | undefined

/**
 * Calls `look` ten times a second, until the returned function is called. Everybody's look is in the same
 * turn of the event loop: an idle process spends its time on waking up, and did so for each of them.
 * Keeps no process alive.
 */
export function everyTick(look: () => void): () => void {
  looks.add(look)
  timer ??= setInterval(() => {
    for (const each of looks) each()
  }, TICK_MS).unref()
  return () => {
    looks.delete(look)
    if (looks.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}
