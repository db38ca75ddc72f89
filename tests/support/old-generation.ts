import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Bytes that V8 promoted to its old generation while `work` ran, in a process whose objects so far are
 * old, as they are where there was nothing to do for a while. `work` has to be synchronous, and short
 * enough for the old generation not to be collected meanwhile.
 */
export function promotedBy(work: () => void): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const before = oldSpace()
  work()
  return oldSpace() - before
}

function oldSpace(): number {
  const spaces = getHeapSpaceStatistics()
  return spaces.find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? 0
}
