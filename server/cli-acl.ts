import { producerPatterns } from './broker/redis/producers.ts'
import { aclRule, type RightsUse } from './broker/redis/rights.ts'
import type { CliIo } from './cli.ts'
import type { Config, RedisTarget } from './config.ts'

/** A user on one Redis, and who it is for. */
export interface AclUser {
  /** `rooms and cache`, where both use the same Redis. */
  role: string
  where: string
  rule: string
}

/** Whoever the configuration names, else this one. */
const DEFAULT_USER = 'roomwire'

/** One user for each Redis of the configuration; without any, the one that both roles would share. */
export function aclUsers(config: Config): AclUser[] {
  const { rooms, cache, redisKeyPrefix: keyPrefix, producers } = config
  const made = (target: RedisTarget | undefined, roles: RightsUse['roles']): AclUser => ({
    role: roles.join(' and '),
    where: target === undefined ? 'any Redis' : `${target.host}:${target.port}`,
    rule: aclRule({
      ...{ user: userOf(target), keyPrefix, roles, cluster: target?.cluster !== undefined },
      channels: roles.includes('rooms') ? producerPatterns(producers) : [],
    }),
  })
  if (rooms === cache) return [made(rooms, ['rooms', 'cache'])]
  return [
    ...(rooms === undefined ? [] : [made(rooms, ['rooms'])]),
    ...(cache === undefined ? [] : [made(cache, ['cache'])]),
  ]
}

function userOf(target: RedisTarget | undefined): string {
  if (target?.username === undefined || target.source.usernameMayBePassword) return DEFAULT_USER
  return target.username
}

/** Rules go to stdout, one a line, so that it may become an ACL file; what to do with them to stderr. */
export function printAcl(config: Config, { stdout, stderr }: CliIo): void {
  for (const { role, where, rule } of aclUsers(config)) {
    stderr.write(`# ${role}: ${where}\n`)
    stdout.write(`${rule}\n`)
  }
  stderr.write(
    [
      '# For <sha256>:  printf %s "$PASSWORD" | sha256sum',
      '# In an ACL file as it is; on a running Redis: ACL SETUSER and what follows the word "user", then ACL SAVE.',
      '# What the user could do before is taken away; passwords it has stay valid.',
      '',
    ].join('\n'),
  )
}
