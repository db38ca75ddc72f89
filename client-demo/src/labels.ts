import type { Socket } from 'socket.io-client'
import type { LabelsEvent, Position } from '../../server/protocol.ts'

/** What a gateway that classifies messages says of them, some time after they arrived. */
export interface Labels {
  /**
   * Of the message at this place; empty for most.
   *
   * @param given what came with the message, where it came from history
   */
  at(place: Pick<Position, 'epoch' | 'offset'>, given?: unknown): readonly string[]
  close(): void
}

/** As many messages as a room shows at most. */
const KEPT = 10_000
const NONE: readonly string[] = []

export function createLabels(room: string, socket: Socket, changed: () => void): Labels {
  const labels = new Map<string, readonly string[]>()
  const keyOf = ({ epoch, offset }: Pick<Position, 'epoch' | 'offset'>) => `${epoch}:${offset}`

  function take(event: LabelsEvent): void {
    if (event.room !== room) return
    labels.set(keyOf(event), namesIn(event.labels))
    for (const oldest of labels.keys()) {
      if (labels.size <= KEPT) break
      labels.delete(oldest)
    }
    changed()
  }

  socket.on('room:labels', take)
  return {
    at: (place, given) => labels.get(keyOf(place)) ?? (given === undefined ? NONE : namesIn(given)),
    close: () => void socket.off('room:labels', take),
  }
}

/** A list of names, or names with values: `{ language: 'en', toxic: false }` is `language: en`. */
function namesIn(labels: unknown): string[] {
  if (Array.isArray(labels)) return labels.map(String)
  if (typeof labels !== 'object' || labels === null) return []
  return Object.entries(labels)
    .filter(([, value]) => value !== false && value !== null)
    .map(([name, value]) => (value === true ? name : `${name}: ${value}`))
}
