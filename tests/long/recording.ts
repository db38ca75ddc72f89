import type { Position } from '../../server/protocol.ts'
import type { Report } from '../chaos/checker.ts'
import type { Store } from '../chaos/final-read.ts'
import { createHistory, type Fact, type History, type HistoryEvent } from '../chaos/history.ts'
import type { RecordingClient } from '../chaos/recording-client.ts'
import { judge, until } from '../chaos/round.ts'
import { showWindow } from '../chaos/window.ts'

/** What a scenario's clients did and saw, and how far each room's log is known to reach. */
export interface Recording {
  readonly events: readonly HistoryEvent[]
  /** The furthest acknowledged position by room. */
  readonly tails: ReadonlyMap<string, Position>
  record(fact: Fact): void
  /**
   * Once the load has ended: waits until nothing is pending, reads the final logs and decides
   * (tests/chaos/checker.ts). Violations are printed with what led to them.
   */
  verdict(on: Bench, mayLose: boolean): Promise<Report>
}

export interface Bench {
  store: Store
  rooms: readonly string[]
  clients: readonly RecordingClient[]
}

const QUIET_MS = 45_000
const SHOWN = 3

export function startRecording(): Recording {
  const history: History = createHistory(3_000_000)
  const tails = new Map<string, Position>()

  function record(fact: Fact): void {
    history.record(fact)
    if (fact.type !== 'acked') return
    const { room, position } = fact
    const known = tails.get(room)
    if (known?.epoch !== position.epoch || known.offset < position.offset) tails.set(room, position)
  }

  return {
    events: history.events,
    tails,
    record,
    async verdict({ store, rooms, clients }, mayLose) {
      const calm = await until(() => clients.every(({ pending }) => pending === 0), QUIET_MS)
      if (!calm) throw new Error(`sends without an answer ${QUIET_MS / 1000} s after the end`)
      if (history.full) throw new Error('more events than a history holds: lower the rate')
      const finish = () => {
        for (const client of clients) client.finish()
      }
      const result: { report: Report | undefined } = { report: undefined }
      const stage = { system: store, crowd: { clients, finish }, rooms, record }
      await judge(stage, mayLose, result, history)
      if (result.report === undefined) throw new Error('no verdict')
      for (const violation of result.report.violations.slice(0, SHOWN)) {
        console.info(showWindow(history.events, violation))
      }
      return result.report
    },
  }
}

/** What must be 0 whatever happened; with `rolledBack`, acknowledged messages that are gone. */
export function faultsOf(report: Report): Record<string, number> {
  const { lost, repeated, reordered, torn, holes, resetsMissed, altered, rejected, stuck } = report
  return { lost, repeated, reordered, torn, holes, resetsMissed, altered, rejected, stuck }
}
