import { openWire, type Target, type Wire } from './wire.ts'

/** As much of a Socket.IO client as the load needs: engine.io 4 over WebSocket, namespace `/`. */
export interface Client {
  /** Sends an event with one object, given as JSON; its reply comes with the same id. */
  request(id: number, event: string, json: string): void
  readBy: Wire['readBy']
  destroy(): void
}

/** Ranges lie in `buffer` and are gone when the call returns; `now` is in µs. */
export interface ClientListener {
  /** The namespace is connected; the packet's JSON. */
  connected(json: string): void
  /** A `room:message`: the whole packet. */
  message(buffer: Buffer, start: number, end: number, now: number): void
  /** A reply: the JSON array of its arguments. */
  reply(id: number, buffer: Buffer, start: number, end: number, now: number): void
  /** Any other event, as JSON. */
  event?(json: string): void
  closed(reason: string): void
}

const [DIGIT_0, DIGIT_9] = [0x30, 0x39]
/** engine.io: open, close, ping, message. */
const [OPEN, END, PING, MESSAGE] = [0x30, 0x31, 0x32, 0x34]
/** socket.io: connect, event, ack, connect error; what is left is a disconnect. */
const [CONNECT, EVENT, ACK, REFUSED] = [0x30, 0x32, 0x33, 0x34]
const [LETTER_M, LETTER_R] = [0x6d, 0x72]

export function openClient(target: Target, auth: object, listener: ClientListener): Client {
  let ended = ''

  /** A Socket.IO packet; the one that comes most goes first. */
  function packet(buffer: Buffer, start: number, end: number, now: number): void {
    const type = buffer[start + 1]
    if (type === EVENT) {
      // `42["room:message"` is told by two of its letters.
      if (buffer[start + 4] === LETTER_R && buffer[start + 9] === LETTER_M) {
        listener.message(buffer, start, end, now)
      } else listener.event?.(buffer.toString('utf8', start + 2, end))
    } else if (type === ACK) {
      let id = 0
      let at = start + 2
      for (let byte = buffer[at] ?? 0; byte >= DIGIT_0 && byte <= DIGIT_9; byte = buffer[at] ?? 0) {
        id = id * 10 + byte - DIGIT_0
        at += 1
      }
      listener.reply(id, buffer, at, end, now)
    } else if (type === CONNECT) {
      listener.connected(buffer.toString('utf8', start + 2, end))
    } else {
      ended = type === REFUSED ? `refused ${buffer.toString('utf8', start + 2, end)}` : 'disconnect'
      wire.destroy()
    }
  }

  const wire: Wire = openWire(target, '/socket.io/?EIO=4&transport=websocket', {
    opened() {},
    text(buffer, start, end, now) {
      const type = buffer[start]
      if (type === MESSAGE) packet(buffer, start, end, now)
      else if (type === PING) wire.send('3')
      else if (type === OPEN) wire.send(`40${JSON.stringify(auth)}`)
      else if (type === END) {
        ended = 'closed by the server'
        wire.destroy()
      }
    },
    closed: (reason) => listener.closed(ended || reason),
  })

  return {
    request: (id, event, json) => wire.send(`42${id}["${event}",${json}]`),
    readBy: wire.readBy,
    destroy: wire.destroy,
  }
}
