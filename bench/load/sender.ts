import { connect } from 'node:net'
import type { WireKind } from './api.ts'
import { openClient } from './client.ts'
import { micros } from './clock.ts'
import type { Target } from './wire.ts'

/** One connection that sends. Answers carry the number that `send` was given. */
export interface Sender {
  /** @param id of the message: the same one is stored once */
  send(number: number, room: string, id: string, body: string): void
  destroy(): void
}

export interface SenderListener {
  ready(): void
  /** `code` is undefined when it was accepted. */
  answered(number: number, code: string | undefined, now: number): void
  closed(reason: string): void
}

export function openSender(
  wire: WireKind,
  target: Target,
  name: string,
  listener: SenderListener,
): Sender {
  return wire === 'nchan' ? openHttp(target, listener) : openSocketIo(target, name, listener)
}

function openSocketIo(target: Target, name: string, listener: SenderListener): Sender {
  const client = openClient(
    target,
    { session: name },
    {
      connected: listener.ready,
      message: () => undefined,
      reply(number, buffer, start, end, now) {
        // `[{"ok":true…` is told by one letter; what was refused is read.
        const accepted = buffer[start + 7] === 0x74
        const code = accepted ? undefined : codeOf(buffer.toString('utf8', start, end))
        listener.answered(number, code, now)
      },
      closed: listener.closed,
    },
  )
  return {
    send(number, room, id, body) {
      const place = JSON.stringify(room)
      client.request(number, 'room:send', `{"room":${place},"id":"${id}","body":"${body}"}`)
    },
    destroy: client.destroy,
  }
}

function codeOf(reply: string): string {
  const [{ error }] = JSON.parse(reply) as [{ error: { code: string } }]
  return error.code
}

/** HTTP/1.1 keep-alive; answers come in the order of the requests. */
function openHttp(target: Target, listener: SenderListener): Sender {
  const asked: number[] = []
  let rest = ''
  let reason = 'closed'
  const socket = connect({ ...target, noDelay: true })
  socket.setEncoding('latin1')
  socket.once('connect', listener.ready)
  socket.once('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message
  })
  socket.once('close', () => listener.closed(reason))
  socket.on('data', (chunk: string) => {
    const now = micros()
    rest += chunk
    for (;;) {
      const head = /^HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n/.exec(rest)
      if (head === null) return
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head[0])?.[1] ?? 0)
      if (rest.length < head[0].length + length) return
      rest = rest.slice(head[0].length + length)
      const status = head[1] ?? ''
      listener.answered(asked.shift() ?? 0, status.startsWith('2') ? undefined : status, now)
    }
  })
  return {
    send(number, room, _id, body) {
      asked.push(number)
      socket.write(
        `POST /pub/${room} HTTP/1.1\r\nHost: ${target.host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
    },
    destroy: () => void socket.resetAndDestroy(),
  }
}
