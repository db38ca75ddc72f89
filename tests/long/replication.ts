import type { Store } from '../chaos/final-read.ts'
import { type System, startSystem } from '../chaos/system.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import type { Scope } from '../support/scope.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/**
 * Instances on a primary, and its one replica behind a line of its own. The replica has one too, which
 * is there to confirm once it is the primary: without, nothing would ever be acknowledged again.
 */
export interface ReplicatedSystem {
  readonly system: System
  readonly replica: RedisServer
  /** Between the primary and its replica. */
  readonly line: TcpProxy
  /**
   * The primary is killed, with all that was still on the line; the replica is promoted, and the
   * instances find it where the primary was. Resolves with where the rooms are from then on.
   */
  failOver(): Promise<Store>
}

const PASSWORD = 'tail/of+the=line'

export async function startReplicated(
  scope: Scope,
  env: Record<string, string>,
): Promise<ReplicatedSystem> {
  const common = { appendonly: 'always', requirepass: PASSWORD } as const
  const primary = await startRedis(scope, { ...common, config: ['repl-diskless-sync-delay 0'] })
  const line = await startTcpProxy(scope, { target: primary })
  const follow = async ({ port }: { port: number }) => {
    const config = [`replicaof 127.0.0.1 ${port}`, 'repl-diskless-sync-delay 0']
    const follower = await startRedis(scope, { ...common, config })
    await eventually(
      async () => /master_link_status:up/.test(await follower.cli('INFO', 'replication')),
      { what: 'a replica that has everything', timeoutMs: 30_000 },
    )
    return follower
  }
  const replica = await follow(line)
  await follow(replica)
  const system = await startSystem(scope, {
    contender: 'roomwire',
    instances: 3,
    redis: primary,
    env,
  })
  return {
    system,
    replica,
    line,
    async failOver() {
      // What a primary has not handed over dies with its machine.
      const cut = line.cut()
      await primary.kill()
      await cut
      await replica.cli('REPLICAOF', 'NO', 'ONE')
      for (const link of system.links) link.retarget(replica)
      const { url, prefix } = system
      return { url, prefix, redis: replica }
    },
  }
}
