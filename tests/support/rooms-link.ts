import { onTestFinished } from 'vitest'
import { createClusterLink } from '../../server/broker/redis/cluster-link.ts'
import type { LinkObserver, RedisLink } from '../../server/broker/redis/link.ts'
import { createRoomsProbe } from '../../server/broker/redis/probes.ts'
import { createRedisLink } from '../../server/broker/redis/server-link.ts'
import type { RedisCluster } from './redis-cluster.ts'

export interface RoomsLinkOptions {
  username?: string | undefined
  password?: string | undefined
  /** Told of every failure; nobody is unless given. */
  failed?: LinkObserver['failed']
}

/** A link of the role `rooms` over that prefix, ready; closed when the test has finished. */
export async function openRoomsLink(
  { host, port }: { host: string; port: number },
  prefix: string,
  { username, password, failed = () => undefined }: RoomsLinkOptions = {},
): Promise<RedisLink> {
  const link = createRedisLink({
    role: 'rooms',
    endpoint: () => ({ host, port, database: 0, username, password, tls: undefined }),
    probe: createRoomsProbe(prefix),
    observer: { failed, changed: () => undefined, probed: () => undefined },
  })
  onTestFinished(() => link.close())
  await link.ready
  return link
}

/** Opens links, as these users where one is named, and keeps every failure of theirs. */
export function openingRoomsLinks(redis: () => { host: string; port: number }) {
  const failures: string[] = []
  const link = (prefix: string, username?: string) =>
    openRoomsLink(redis(), prefix, {
      ...{ username, password: username },
      failed: ({ kind }) => void failures.push(kind),
    })
  return { failures, link }
}

/** A link over a cluster; it is told of one node and finds the others. */
export async function openClusterRoomsLink(
  cluster: RedisCluster,
  prefix: string,
): Promise<RedisLink> {
  const link = createClusterLink({
    role: 'rooms',
    endpoint: () => ({
      ...{ host: '', port: 0, database: 0, username: undefined, tls: undefined },
      password: cluster.password,
    }),
    seeds: cluster.nodes.slice(0, 1).map(({ host, port }) => ({ host, port })),
    probe: (tag) => createRoomsProbe(prefix, tag),
    observer: { failed: () => undefined, changed: () => undefined, probed: () => undefined },
  })
  onTestFinished(() => link.close())
  await link.ready
  return link
}
