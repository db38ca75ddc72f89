import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { RedisTarget, RedisTls } from '../config.ts'

/** Long enough for another continent, short enough to wait for. */
export const CONNECT_MS = 3000
const ANSWER_MS = 1500
/** A server that wants a certificate says so after the handshake, and resets once it is written to. */
const OBJECTION_MS = 150

/** @throws the error of the socket, or one with the code `ETIMEDOUT` */
export function openTcp({ host, port }: Pick<RedisTarget, 'host' | 'port'>): Promise<Socket> {
  const socket = connectTcp({ host, port })
  return opened(socket, 'connect')
}

/**
 * A handshake in which every certificate will do: what is wrong with it is in `authorizationError`,
 * and the caller judges. Never written to before it is judged, but for a PING.
 */
export function openTls(
  { host, port }: Pick<RedisTarget, 'host' | 'port'>,
  tls: Partial<RedisTls> = {},
): Promise<TLSSocket> {
  const servername = tls.serverName ?? (isIP(host) === 0 ? host : undefined)
  const socket = connectTls({
    host,
    port,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(servername === undefined ? {} : { servername }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  })
  return opened(socket, 'secureConnect')
}

function opened<S extends Socket>(socket: S, event: string): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(CONNECT_MS, () =>
      socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })),
    )
    socket.once('error', reject)
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
    socket.once(event, () => {
      socket.setTimeout(0)
      socket.removeAllListeners('error')
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** What a peer does when it is sent a PING. */
export type FirstWords =
  | { name: 'said'; text: string }
  | { name: 'closed'; code: string | undefined }
  | { name: 'silent' }

/** Sends PING as a line, which every Redis answers in some way, and closes the connection. */
export function firstWords(socket: Socket, objectionMs = 0): Promise<FirstWords> {
  return new Promise((resolve) => {
    const end = (words: FirstWords) => {
      clearTimeout(asking)
      resolve(words)
      socket.destroy()
    }
    const asking = setTimeout(() => socket.write('PING\r\n'), objectionMs)
    socket.setTimeout(ANSWER_MS + objectionMs, () => end({ name: 'silent' }))
    socket.once('data', (data) => end({ name: 'said', text: data.toString('latin1') }))
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end({ name: 'closed', code: error.code }),
    )
    socket.once('close', () => end({ name: 'closed', code: undefined }))
  })
}

/** The same over TLS. */
export function firstWordsOverTls(socket: TLSSocket): Promise<FirstWords> {
  return firstWords(socket, OBJECTION_MS)
}

/** Redis, or what speaks like it. */
export function soundsLikeRedis(words: FirstWords): boolean {
  return words.name === 'said' && /^(\+PONG|-[A-Z]+ )/.test(words.text)
}
