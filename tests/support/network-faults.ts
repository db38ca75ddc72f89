import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeCertificates } from './certificates.ts'
import { freePort } from './free-port.ts'
import { environment, listen, PASSWORD, type SeededFault, startRooms } from './seeded-fault.ts'
import { startTroubles } from './start-troubles.ts'

const rediss = (port: number, host = '127.0.0.1') => `rediss://${host}:${port}`

/** Between us and a Redis that says something. */
export const networkFaults: readonly SeededFault[] = [
  {
    title: 'a host that nobody knows',
    id: 'dns',
    status: 'failed',
    // Without any name server around, that is what is named.
    remedy: /host in WEBSOCKET_REDIS_URL|resolv\.conf/,
    arrange: async (scope) => ({
      env: await environment(scope, { host: 'redis.roomwire.invalid', port: 6379 }),
    }),
  },
  {
    title: 'a port that refuses',
    id: 'tcp',
    status: 'failed',
    remedy: /bind, port.*WEBSOCKET_REDIS_URL/,
    arrange: async (scope) => ({
      env: await environment(scope, { host: '127.0.0.1', port: await freePort() }),
    }),
  },
  {
    title: 'a host that answers nothing',
    id: 'tcp',
    status: 'failed',
    remedy: /firewall.*WEBSOCKET_REDIS_URL/,
    async arrange(scope) {
      // Nobody accepts, and the queue of those who wait for that is full: further packets are dropped.
      const redis = await startRooms(scope, { config: ['tcp-backlog 1'] })
      redis.pause()
      for (let waiting = true; waiting; ) {
        const socket = connect(redis.port, redis.host).on('error', () => undefined)
        scope.defer(() => socket.destroy())
        const connected = once(socket, 'connect').then(() => true)
        waiting = await Promise.race([connected, sleep(500, false)])
      }
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'redis:// to a server that speaks TLS',
    id: 'tls',
    status: 'failed',
    remedy: /rediss:\/\/ in WEBSOCKET_REDIS_URL/,
    async arrange(scope) {
      const redis = await startRooms(scope, { tls: await makeCertificates(scope) })
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'rediss:// to a server that does not speak TLS',
    id: 'tls',
    status: 'failed',
    remedy: /redis:\/\/ in WEBSOCKET_REDIS_URL|tls-port/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      const WEBSOCKET_REDIS_URL = rediss(redis.port)
      return { env: await environment(scope, redis, { WEBSOCKET_REDIS_URL }) }
    },
  },
  {
    title: 'a private authority that we were not told of',
    id: 'tls',
    status: 'failed',
    remedy: /set WEBSOCKET_REDIS_TLS_CA_FILE/,
    async arrange(scope) {
      const redis = await startRooms(scope, { tls: await makeCertificates(scope) })
      const WEBSOCKET_REDIS_URL = rediss(redis.port)
      return { env: await environment(scope, redis, { WEBSOCKET_REDIS_URL }) }
    },
  },
  {
    title: 'the wrong authority',
    id: 'tls',
    status: 'failed',
    remedy: /file of WEBSOCKET_REDIS_TLS_CA_FILE must hold/,
    async arrange(scope) {
      const redis = await startRooms(scope, { tls: await makeCertificates(scope) })
      const { caFile } = await makeCertificates(scope)
      const WEBSOCKET_REDIS_URL = rediss(redis.port)
      const tls = { WEBSOCKET_REDIS_URL, WEBSOCKET_REDIS_TLS_CA_FILE: caFile }
      return { env: await environment(scope, redis, tls) }
    },
  },
  {
    title: 'a certificate for another name',
    id: 'tls-name',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_TLS_SERVER_NAME/,
    arrange: withCertificate(['DNS:redis.example']),
  },
  {
    title: 'a certificate that has expired',
    id: 'tls-expiry',
    status: 'failed',
    remedy: /renew it on the server/,
    arrange: withCertificate(undefined, { from: -90, to: -1 }),
  },
  {
    title: 'a certificate that is about to expire',
    id: 'tls-expiry',
    status: 'warning',
    remedy: /renew it on the server/,
    arrange: withCertificate(undefined, { from: -87, to: 3 }),
  },
  {
    title: 'a certificate that is not valid yet',
    id: 'tls-expiry',
    status: 'failed',
    remedy: /clock of this machine/,
    arrange: withCertificate(undefined, { from: 2, to: 90 }),
  },
  {
    title: 'a server that asks for a client certificate',
    id: 'tls',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_TLS_CERT_FILE and WEBSOCKET_REDIS_TLS_KEY_FILE|tls-auth-clients/,
    async arrange(scope) {
      const tls = await makeCertificates(scope)
      const redis = await startRooms(scope, { tls })
      await redis.cli('CONFIG', 'SET', 'tls-auth-clients', 'yes')
      const WEBSOCKET_REDIS_URL = rediss(redis.port)
      const settings = { WEBSOCKET_REDIS_URL, WEBSOCKET_REDIS_TLS_CA_FILE: tls.caFile }
      return { env: await environment(scope, redis, settings) }
    },
  },
  {
    title: 'another service at the port',
    id: 'answer',
    status: 'failed',
    remedy: /port in WEBSOCKET_REDIS_URL/,
    async arrange(scope) {
      const server = createServer().listen(0, '127.0.0.1')
      scope.defer(() => server.close())
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return { env: await environment(scope, { host: '127.0.0.1', port }) }
    },
  },
  {
    title: 'a proxy that closes every connection',
    id: 'answer',
    status: 'failed',
    remedy: /list of allowed addresses/,
    async arrange(scope) {
      const proxy = await listen(scope, (socket) => socket.destroy())
      return { env: await environment(scope, proxy) }
    },
  },
  {
    title: 'a Redis that is stopped',
    id: 'answer',
    status: 'failed',
    remedy: /stopped, or busy/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      redis.pause()
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'a Redis that is loading its data',
    id: 'loading',
    status: 'failed',
    remedy: /wait, and look at INFO persistence/,
    async arrange(scope) {
      const loading = startTroubles.find(({ kind }) => kind === 'loading')
      if (loading === undefined) throw new Error('no such trouble')
      const { address } = await loading.arrange(scope, [PASSWORD])
      return { env: await environment(scope, address) }
    },
  },
  {
    title: 'no connection left',
    id: 'answer',
    status: 'failed',
    remedy: /maxclients in redis\.conf/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      await redis.cli('CONFIG', 'SET', 'maxclients', '1')
      const socket = connect(redis.port, redis.host)
      scope.defer(() => socket.destroy())
      await new Promise((resolve) => socket.once('connect', resolve))
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'connections that are spread over two servers',
    id: 'round-trip',
    status: 'failed',
    remedy: /reach the same server/,
    async arrange(scope) {
      const [one, other] = await Promise.all([startRooms(scope), startRooms(scope)])
      // The first three look at the port, say PING, and log in; the fourth subscribes.
      let count = 0
      const proxy = await listen(scope, (socket) => {
        const upstream = connect(count++ === 3 ? other.port : one.port, '127.0.0.1')
        upstream.on('error', () => socket.destroy())
        socket.pipe(upstream).pipe(socket)
        socket.once('close', () => upstream.destroy())
      })
      return { env: await environment(scope, proxy) }
    },
  },
]

function withCertificate(
  names: readonly string[] | undefined,
  validity?: { from: number; to: number },
): SeededFault['arrange'] {
  return async (scope) => {
    const tls = await makeCertificates(scope, names, validity)
    const redis = await startRooms(scope, { tls })
    const WEBSOCKET_REDIS_URL = rediss(redis.port)
    const settings = { WEBSOCKET_REDIS_URL, WEBSOCKET_REDIS_TLS_CA_FILE: tls.caFile }
    return { env: await environment(scope, redis, settings) }
  }
}
