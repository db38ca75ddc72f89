import type { Socket } from 'socket.io-client'
import type { Room } from '../../client/connect.ts'
import type { RoomMessage } from '../../server/protocol.ts'

/** What arrived out of line, before the client mended it: the gateway promises none of either. */
export interface Deliveries {
  /** Of messages that were here already. */
  readonly repeats: number
  /** That left something out. */
  readonly holes: number
  close(): void
}

export function createDeliveries(room: Room, socket: Socket): Deliveries {
  let repeats = 0
  let holes = 0

  /** Ahead of the client, so that `position` is the one from before. */
  function look(event: string, message: RoomMessage): void {
    if (event !== 'room:message' || message.room !== room.name || !room.position) return
    const { epoch, offset } = room.position
    const ahead = message.epoch === epoch ? message.offset - offset : 2
    if (ahead < 1) repeats += 1
    if (ahead > 1) holes += 1
  }

  socket.prependAny(look)
  return {
    get repeats() {
      return repeats
    },
    get holes() {
      return holes
    },
    close: () => void socket.offAny(look),
  }
}
