import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import proxyAddr from 'proxy-addr'

/** Who is at the other end, as far as can be known. */
export interface Addresses {
  /** Whose limits count: an address; of IPv6 the /64, which is what one customer has. */
  of(request: IncomingMessage): string
  /** The host that the client asked for: a proxy that is trusted may say that it was another one. */
  host(request: IncomingMessage): string | undefined
  /** As Express wants it. */
  trust(address: string, hop: number): boolean
}

/**
 * @param proxies how many are in front, or their addresses. `X-Forwarded-For` is read from its end, one
 *   entry for each trusted proxy: what a client wrote there itself is never reached.
 */
export function createAddresses(proxies: number | readonly string[]): Addresses {
  const trust =
    typeof proxies === 'number'
      ? (_address: string, hop: number) => hop < proxies
      : proxyAddr.compile([...proxies])

  return {
    trust,
    of: (request) => {
      const address = proxies === 0 ? request.socket.remoteAddress : proxyAddr(request, trust)
      return network(address ?? '')
    },
    host({ headers, socket }) {
      const forwarded = headers['x-forwarded-host']
      const believed = proxies !== 0 && trust(socket.remoteAddress ?? '', 0)
      const named = believed && typeof forwarded === 'string' ? forwarded : headers.host
      return named?.split(',').at(-1)?.trim()
    },
  }
}

function network(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [plain = ''] = address.split('%')
  if (!isIPv6(plain)) return plain
  const [head = '', tail = ''] = plain.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const gap = plain.includes('::') ? Math.max(0, 8 - before.length - after.length) : 0
  const groups = [...before, ...Array<string>(gap).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
