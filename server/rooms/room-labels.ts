import type { Labelled, MessageLog } from './message-log.ts'
import type { Replica } from './replica.ts'

/** Labels of one room's messages as members here know them. They may be late, and may be missed. */
export interface RoomLabels {
  take(epoch: string, labelled: Labelled): void
  /** From now on some may have been missed. */
  missed(): void
  /**
   * Reads those of the entries held here where some may have been missed; undefined where none were.
   * Never rejects: labels may be late.
   */
  catchUp(): Promise<void> | undefined
}

export interface RoomLabelsDeps {
  name: string
  log: Pick<MessageLog, 'labels'>
  replica: Replica
  /** Members do not know them yet. */
  tell(epoch: string, labelled: Labelled): void
  /** They are of a message that was missed (D4). */
  ahead(): void
}

export function createRoomLabels({ name, log, replica, tell, ahead }: RoomLabelsDeps): RoomLabels {
  let missed = false
  let running: Promise<void> | undefined

  async function read(): Promise<void> {
    try {
      while (missed) {
        missed = false
        const held = replica.held()
        if (held === undefined) return
        const { epoch } = replica.tail
        for (const each of await log.labels(name, held.from, held.to)) replica.label(epoch, each)
      }
    } catch {
      missed = true // the store is away: the next who asks tries again
    }
  }

  return {
    take(epoch, labelled) {
      const verdict = replica.label(epoch, labelled)
      if (verdict === 'new') tell(epoch, labelled)
      if (verdict === 'ahead') ahead()
    },
    missed() {
      missed = true
    },
    catchUp() {
      if (missed) {
        running ??= read().finally(() => {
          running = undefined
        })
      }
      return running
    },
  }
}
