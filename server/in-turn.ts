/** Counts work of one kind, of which a bounded number runs at once (D8). Its owner may be this itself. */
export interface Semaphore {
  running: number
  /** Those that wait, in order; undefined while there are none. */
  queue: (() => void)[] | undefined
}

/** Does it once fewer than `atOnce` others run, after those that came before. */
export async function inTurn<T>(
  semaphore: Semaphore,
  atOnce: number,
  work: () => Promise<T>,
): Promise<T> {
  if (semaphore.running >= atOnce) {
    await new Promise<void>((resolve) => {
      semaphore.queue ??= []
      semaphore.queue.push(resolve)
    })
  } else semaphore.running += 1
  try {
    return await work()
  } finally {
    const next = semaphore.queue?.shift()
    if (next === undefined) {
      semaphore.running -= 1
      semaphore.queue = undefined
    } else next() // takes over this place
  }
}
