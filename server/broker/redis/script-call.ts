import type { CommandArguments } from './client.ts'
import { RedisFailure } from './failure.ts'
import type { Script } from './scripts.ts'

export type Command = (args: CommandArguments) => Promise<unknown>

/** Runs a script by its digest; one that Redis has lost is sent whole, which also loads it again. */
export async function callScript(
  command: Command,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown[]> {
  const count = String(keys.length)
  try {
    return (await command(['EVALSHA', script.sha, count, ...keys, ...args])) as unknown[]
  } catch (error) {
    if (!(error instanceof RedisFailure) || error.kind !== 'noscript') throw error
    return (await command(['EVAL', script.source, count, ...keys, ...args])) as unknown[]
  }
}
