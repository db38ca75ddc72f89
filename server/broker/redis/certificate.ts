import { connect } from 'node:tls'
import type { Endpoint } from './client.ts'

/** Renewed certificates are noticed within this time, at the price of a handshake. */
const EVERY_MS = 6 * 60 * 60 * 1000
/** One that could not be read is tried again sooner. */
const RETRY_MS = 60_000
const DEADLINE_MS = 5000

/**
 * Tells until when a server's certificate is valid, ms since 1970; nothing where it has none. On
 * connections of its own: live ones may be older than the certificate that the server shows now.
 * Whether it is trusted is not asked here: the link says so (kind `tls`).
 *
 * @returns ends the watch
 */
export function watchCertificate(
  endpoint: () => Endpoint,
  valid: (untilMs: number) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined
  let closed = false

  async function look(): Promise<void> {
    const untilMs = await readExpiry(endpoint())
    if (closed) return
    if (untilMs !== undefined) valid(untilMs)
    timer = setTimeout(() => void look(), untilMs === undefined ? RETRY_MS : EVERY_MS)
    timer.unref()
  }
  if (endpoint().tls !== undefined) void look()

  return () => {
    closed = true
    clearTimeout(timer)
  }
}

/** Never rejects; undefined where no certificate was shown in time. */
function readExpiry({ host, port, tls }: Endpoint): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host, port, servername: tls?.serverName ?? (/^[\d.]+$|:/.test(host) ? '' : host) },
      ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls?.key === undefined ? {} : { key: tls.key }),
      rejectUnauthorized: false,
    }).unref()
    socket.setTimeout(DEADLINE_MS, () => socket.destroy())
    socket.once('secureConnect', () => {
      const until = Date.parse(socket.getPeerCertificate().valid_to)
      resolve(Number.isNaN(until) ? undefined : until)
      socket.end()
    })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve(undefined))
  })
}
