import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import type { RedisServer } from './redis-server.ts'
import { environment, listen, PASSWORD, type SeededFault, startRooms } from './seeded-fault.ts'
import { startTcpProxy } from './tcp-proxy.ts'

/** A Redis that lets us in, and does not suit. */
export const serverFaults: readonly SeededFault[] = [
  {
    title: 'a Sentinel in place of a Redis',
    id: 'topology',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_SENTINEL_HOSTS/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      const port = await freePort()
      const path = join(redis.dir, 'sentinel.conf')
      await writeFile(path, `port ${port}\nbind 127.0.0.1\n`)
      await startChild(scope, 'redis-server', [path, '--sentinel'], { cwd: redis.dir })
      await answers(port)
      return { env: { WEBSOCKET_REDIS_URL: `redis://127.0.0.1:${port}` } }
    },
  },
  {
    title: 'a node of a cluster that we were not told of',
    id: 'topology',
    status: 'failed',
    remedy: /WEBSOCKET_REDIS_CLUSTER=true/,
    arrange: withConfig('cluster-enabled yes'),
  },
  {
    title: 'a Redis that is too old',
    id: 'version',
    status: 'failed',
    remedy: /6\.2 or later/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      // The same number of digits: the length of the reply goes before it.
      const proxy = await listen(scope, (socket) => {
        const age = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            const text = chunk.toString('latin1')
            const old = text.replace(
              /redis_version:\d+(\.\d+\.\d+)/,
              (line, rest: string) =>
                `redis_version:${'5'.padEnd(line.length - 14 - rest.length)}${rest}`,
            )
            done(null, Buffer.from(old, 'latin1'))
          },
        })
        const upstream = connect(redis.port, redis.host)
        upstream.on('error', () => socket.destroy())
        socket.pipe(upstream).pipe(age).pipe(socket)
        socket.once('close', () => upstream.destroy())
      })
      return { env: await environment(scope, proxy) }
    },
  },
  {
    title: 'a replica',
    id: 'primary',
    status: 'failed',
    remedy: /must name the primary \(127\.0\.0\.1:\d+\)/,
    async arrange(scope) {
      const primary = await startRooms(scope, { config: ['repl-diskless-sync-delay 0'] })
      const replica = await startRooms(scope, {
        config: [`replicaof 127.0.0.1 ${primary.port}`, `masterauth ${PASSWORD}`],
      })
      await eventually(async () =>
        (await replica.cli('INFO', 'replication')).includes('master_link_status:up'),
      )
      return { env: await environment(scope, replica) }
    },
  },
  {
    title: 'fewer replicas than have to confirm',
    id: 'replicas',
    status: 'failed',
    remedy: /lower ROOM_ACK_REPLICAS/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: await environment(scope, redis, { ROOM_ACK_REPLICAS: '1' }) }
    },
  },
  {
    title: 'rooms that may be evicted',
    id: 'eviction',
    status: 'warning',
    remedy: /maxmemory-policy noeviction/,
    arrange: withConfig('maxmemory-policy allkeys-lru'),
  },
  {
    title: 'a cache that may not evict',
    id: 'eviction',
    status: 'warning',
    remedy: /maxmemory-policy allkeys-lru/,
    async arrange(scope) {
      const [rooms, cache] = await Promise.all([startRooms(scope), startRooms(scope)])
      const REDIS_URL = cache.url({})
      const password = { REDIS_PASSWORD: PASSWORD }
      return { env: await environment(scope, rooms, { REDIS_URL, ...password }) }
    },
  },
  {
    title: 'both roles in one Redis by two URLs',
    id: 'roles',
    status: 'warning',
    remedy: /Redis of its own \(REDIS_URL\)/,
    also: ['eviction'],
    async arrange(scope) {
      const redis = await startRooms(scope)
      const cache = { REDIS_URL: `${redis.url({})}/1`, REDIS_PASSWORD: PASSWORD }
      return { env: await environment(scope, redis, cache) }
    },
  },
  {
    title: 'rooms that are not on a disk',
    id: 'persistence',
    status: 'warning',
    remedy: /appendonly yes/,
    arrange: withConfig('appendonly no'),
  },
  {
    title: 'an append-only file that is never synced',
    id: 'persistence',
    status: 'warning',
    remedy: /appendfsync everysec/,
    arrange: withConfig('appendfsync no'),
  },
  {
    title: 'a disk that cannot be written',
    id: 'persistence',
    status: 'failed',
    remedy: /space and the rights of its dir/,
    also: ['write'],
    async arrange(scope) {
      const redis = await startRooms(scope, { appendonly: false, config: ['save 3600 100000'] })
      scope.defer(redis.kill) // it does not end without having saved
      await rm(redis.dir, { recursive: true })
      await redis.cli('BGSAVE')
      await eventually(async () =>
        (await redis.cli('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
      )
      return { env: await environment(scope, redis) }
    },
  },
  {
    title: 'memory that is nearly full',
    id: 'memory',
    status: 'warning',
    remedy: /maxmemory higher.*ROOM_LOG_MAX/,
    arrange: filled('46mb'),
  },
  {
    title: 'memory that is full',
    id: 'memory',
    status: 'failed',
    remedy: /maxmemory higher.*ROOM_LOG_MAX/,
    also: ['write'],
    arrange: filled('32mb'),
  },
  {
    title: 'idle connections that are cut',
    id: 'timeout',
    status: 'warning',
    remedy: /CONFIG SET timeout 0/,
    arrange: withConfig('timeout 20'),
  },
  {
    title: 'an output limit that healthy gateways reach',
    id: 'output-limit',
    status: 'warning',
    remedy: /client-output-buffer-limit pubsub 32mb 8mb 60/,
    arrange: withConfig('client-output-buffer-limit pubsub 1mb 256kb 10'),
  },
  {
    title: 'no output limit',
    id: 'output-limit',
    status: 'warning',
    remedy: /client-output-buffer-limit pubsub 32mb 8mb 60/,
    arrange: withConfig('client-output-buffer-limit pubsub 0 0 0'),
  },
  {
    title: 'few connections left',
    id: 'maxclients',
    status: 'warning',
    remedy: /CONFIG SET maxclients/,
    arrange: withConfig('maxclients 10'),
  },
  {
    title: 'a key of ours that is somebody else’s',
    id: 'prefix',
    status: 'failed',
    remedy: /set REDIS_KEY_PREFIX/,
    arrange: afterwards((redis) => redis.cli('SET', 'roomwire:{instances}', 'x')),
  },
  {
    title: 'writes that wait for replicas that are not there',
    id: 'write',
    status: 'failed',
    remedy: /min-replicas-to-write/,
    arrange: withConfig('min-replicas-to-write 1'),
  },
  {
    title: 'a Redis that is far away',
    id: 'round-trip',
    status: 'warning',
    remedy: /one region/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      const proxy = await startTcpProxy(scope, { target: redis })
      proxy.slow({ ms: 20 })
      return { env: await environment(scope, proxy) }
    },
  },
  {
    title: 'a clock that is wrong',
    id: 'clock',
    status: 'warning',
    remedy: /NTP/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: await environment(scope, redis), now: () => Date.now() - 60_000 }
    },
  },
  {
    title: 'a port that is taken',
    id: 'port',
    status: 'failed',
    remedy: /set PORT to another one/,
    async arrange(scope) {
      const other = await listen(scope, (socket) => socket.end('?'))
      const redis = await startRooms(scope)
      const PORT = String(other.port)
      return { env: await environment(scope, redis, { PORT, HOST: '127.0.0.1' }) }
    },
  },
  {
    title: 'an address that is not of this machine',
    id: 'port',
    status: 'failed',
    remedy: /set HOST to an address of this machine/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      const PORT = String(await freePort())
      return { env: await environment(scope, redis, { PORT, HOST: '192.0.2.1' }) }
    },
  },
  {
    title: 'more connections than open files',
    id: 'files',
    status: 'warning',
    remedy: /ulimit -n.*MAX_CONNECTIONS/,
    async arrange(scope) {
      const redis = await startRooms(scope)
      return { env: await environment(scope, redis, { MAX_CONNECTIONS: '10000000' }) }
    },
  },
]

function withConfig(...config: readonly string[]): SeededFault['arrange'] {
  return async (scope) => ({
    env: await environment(scope, await startRooms(scope, { config })),
  })
}

function afterwards(act: (redis: RedisServer) => Promise<unknown>): SeededFault['arrange'] {
  return async (scope) => {
    const redis = await startRooms(scope)
    scope.defer(redis.kill) // without waiting for its disk
    await act(redis)
    return { env: await environment(scope, redis) }
  }
}

/** With 39 to 43 MiB of it used: buffers come and go. */
function filled(maxmemory: string): SeededFault['arrange'] {
  return afterwards(async (redis) => {
    await redis.cli('EVAL', "redis.call('SET', 'filler', string.rep('x', 40000000))", '0')
    await redis.cli('CONFIG', 'SET', 'maxmemory', maxmemory)
  })
}

async function answers(port: number): Promise<void> {
  await eventually(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => resolve(true))
        socket.once('error', () => resolve(false))
        socket.once('connect', () => socket.destroy())
      }),
  )
}
