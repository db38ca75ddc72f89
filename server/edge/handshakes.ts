import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Server, Socket } from 'socket.io'
import { GatewayError, toWireError } from '../errors.ts'
import type { Admission, Refusal } from './admission.ts'
import { HTTP_STATUS } from './http-status.ts'

export interface HandshakesDeps {
  admission: Admission
  draining: () => boolean
  refused: (reason: Refusal) => void
}

/** As engine.io asks whether a new connection is welcome; it waits for the answer. */
export type AllowRequest = (
  request: IncomingMessage,
  decide: (message: string | undefined, success: boolean) => void,
) => void

/**
 * Puts admission before engine.io's handshakes. Whoever is refused has cost the parsing of its
 * request, and gets a 503 that says when to come back: plain clients do so by themselves.
 */
export function admitHandshakes({ admission, draining, refused }: HandshakesDeps): AllowRequest {
  return (request, decide) => {
    if (draining()) return decide('draining', false)
    const { socket } = request
    let leave: () => void = () => undefined
    const gone = () => leave()
    socket.once('close', gone)
    leave = admission.enter({
      admit() {
        socket.off('close', gone)
        decide(draining() ? 'draining' : undefined, !draining())
      },
      refuse(reason, retryAfterMs) {
        refused(reason)
        socket.off('close', gone)
        refuseHandshake(request, busy(retryAfterMs))
      },
    })
  }
}

/**
 * Paces those who ask for the namespace once more over a connection that was admitted before. They
 * can be told when to come back: a Socket.IO connect error with the error in `data`.
 */
export function admitReturns(
  io: Server,
  { admission, refused }: Pick<HandshakesDeps, 'admission' | 'refused'>,
): void {
  const admitted = new WeakSet<Socket['conn']>()
  io.use((socket, next) => {
    if (!admitted.has(socket.conn)) {
      admitted.add(socket.conn)
      return next()
    }
    let leave: () => void = () => undefined
    const gone = () => leave()
    socket.conn.once('close', gone)
    leave = admission.enter({
      admit() {
        socket.conn.off('close', gone)
        next()
      },
      refuse(reason, retryAfterMs) {
        socket.conn.off('close', gone)
        refused(reason)
        const data = toWireError(busy(retryAfterMs))
        next(Object.assign(new Error(data.message), { data }))
      },
    })
  })
}

function busy(retryAfterMs: number): GatewayError {
  return new GatewayError('OVERLOADED', 'too many connections at once', { retryAfterMs })
}

/** Answers a handshake in place of engine.io, which knows only one way to refuse. */
export function refuseHandshake(
  request: IncomingMessage & { res?: ServerResponse },
  error: GatewayError,
): void {
  const status = HTTP_STATUS[error.code]
  const body = JSON.stringify({ ok: false, error: toWireError(error) })
  const { retryAfterMs } = error
  const headers = {
    ...(retryAfterMs && { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }),
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }
  const { res: response, socket } = request
  if (response !== undefined) {
    response.writeHead(status, headers).end(body)
    return
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () => {
    socket.destroy()
  })
}
