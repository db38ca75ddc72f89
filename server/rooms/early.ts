import type { Tail } from './message-log.ts'

/**
 * Places whose entries members had from this instance's own append, before the frames of them came: the
 * ring may be past them by then.
 */
export interface Early {
  delivered(place: Tail): void
  /** Whether that place is among them; to be asked in the order of frames. */
  has(epoch: string, offset: number, at: number): boolean
  clear(): void
}

/** Of one room; with more on their way, the log is asked again. */
const MAX_EARLY = 4096

export function createEarly(): Early {
  /** Ascending. */
  let places: Tail[] = []

  return {
    delivered(place) {
      places.push(place)
      if (places.length > MAX_EARLY) places.shift()
    },
    has(epoch, offset, at) {
      while (places[0] !== undefined && places[0].offset < offset) places.shift()
      const [first] = places
      return first?.offset === offset && first.at === at && first.epoch === epoch
    },
    clear() {
      places = []
    },
  }
}
