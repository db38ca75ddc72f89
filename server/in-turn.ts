/** Work of one kind, of which a bounded number runs at once (D8). Its owner may be this itself. */
export interface Line {
  underWay: number
  /** Those that wait, in order; undefined while there are none. */
  inLine: (() => void)[] | undefined
}

/** Does it once fewer than `atOnce` others run, after those that came before. */
export async function inTurn<T>(line: Line, atOnce: number, work: () => Promise<T>): Promise<T> {
  if (line.underWay >= atOnce) {
    await new Promise<void>((resolve) => {
      line.inLine ??= []
      line.inLine.push(resolve)
    })
  } else line.underWay += 1
  try {
    return await work()
  } finally {
    const next = line.inLine?.shift()
    if (next === undefined) {
      line.underWay -= 1
      line.inLine = undefined
    } else next() // takes over this place
  }
}
