/** What the turns of one contender gave for one metric. */
export interface Summary {
  median: number
  min: number
  max: number
  turns: number
}

/** A rival's figure divided by ours: of the medians, and the extremes over turns taken in pairs. */
export interface Ratio {
  ratio: number
  min: number
  max: number
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle]
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2
}

/** Turns without a figure (a process that died before there was one) are left out. */
export function summarize(values: readonly (number | undefined)[]): Summary | undefined {
  const known = values.filter(isFigure)
  const middle = median(known)
  if (middle === undefined) return undefined
  return {
    median: middle,
    min: Math.min(...known),
    max: Math.max(...known),
    turns: known.length,
  }
}

/** Undefined where either side has no figure, or ours is 0. */
export function ratioOf(
  rival: readonly (number | undefined)[],
  ours: readonly (number | undefined)[],
): Ratio | undefined {
  const above = median(rival.filter(isFigure))
  const below = median(ours.filter(isFigure))
  if (above === undefined || below === undefined || below === 0) return undefined
  const paired = rival.flatMap((value, turn) => {
    const own = ours[turn]
    return isFigure(value) && isFigure(own) && own !== 0 ? [value / own] : []
  })
  const ratio = above / below
  return { ratio, min: Math.min(ratio, ...paired), max: Math.max(ratio, ...paired) }
}

/** A ratio the other way round. */
export function inverse(ratio: number | undefined): number | undefined {
  return ratio === undefined ? undefined : 1 / ratio
}

function isFigure(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value)
}
