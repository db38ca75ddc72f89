import type { RedisServer } from '../tests/support/redis-server.ts'

/** Calls by command since the last `resetCommands`. */
export type Commands = Record<string, number>

/** What our scripts call inside Redis: nobody waits for these on a network. */
const INSIDE_SCRIPTS = new Set([
  ...['hmget', 'hset', 'time', 'get', 'xadd', 'xrange', 'xrevrange', 'pexpire', 'unlink'],
])
/** What the measurement itself and the connections' set-up call. */
const ASIDE = new Set(['info', 'config|resetstat', 'hello', 'client|setinfo', 'auth', 'ping'])

export async function resetCommands(redis: RedisServer): Promise<void> {
  await redis.cli('CONFIG', 'RESETSTAT')
}

/** What came over the network, without what a script calls by itself. */
export async function readCommands(redis: RedisServer): Promise<Commands> {
  return commandsOf(await redis.cli('INFO', 'commandstats'))
}

export function commandsOf(info: string): Commands {
  const commands: Commands = {}
  for (const [, name = '', calls] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!INSIDE_SCRIPTS.has(name) && !ASIDE.has(name)) commands[name] = Number(calls)
  }
  return commands
}
