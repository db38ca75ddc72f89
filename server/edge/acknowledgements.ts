import { Decoder, Encoder, type Packet, PacketType, protocol } from 'socket.io-parser'
import type { Gathering } from './gathering.ts'
import type { Line } from './line.ts'
import { textFrame } from './web-socket-frame.ts'

/** Sends acknowledgements as frames of their own, gathered per turn, instead of packet by packet. */
export interface Acknowledgements {
  /** For Socket.IO's option of that name: it writes and reads what the default does. */
  readonly parser: { Encoder: typeof Encoder; Decoder: typeof Decoder; protocol: number }
  /**
   * Does what `acknowledge(reply)` would.
   *
   * @param acknowledge as Socket.IO gave it to a listener
   */
  send(line: Line, acknowledge: (reply: object) => void, reply: object): void
}

export function createAcknowledgements(gathering: Gathering): Acknowledgements {
  /** The text of the acknowledgement that is being encoded for `send`. */
  let text: string | undefined
  let taking = false

  class TakingEncoder extends Encoder {
    override encode(packet: Packet): ReturnType<Encoder['encode']> {
      const parts = super.encode(packet)
      // Binary ones have several parts, and go the plain way.
      if (!taking || packet.type !== PacketType.ACK || parts.length !== 1) return parts
      text = parts[0]
      return []
    }
  }

  return {
    parser: { Encoder: TakingEncoder, Decoder, protocol },
    send(line, acknowledge, reply) {
      taking = true
      text = undefined
      try {
        acknowledge(reply)
      } finally {
        taking = false
      }
      if (text === undefined || gathering.write(line, textFrame(text))) return
      line.conn.write(text, { compress: true })
    },
  }
}
