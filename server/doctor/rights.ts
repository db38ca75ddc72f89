import { randomUUID } from 'node:crypto'
import type { CommandArguments } from '../broker/redis/client.ts'
import { RedisFailure } from '../broker/redis/failure.ts'
import { type Check, type Finding, failed, note, ok } from './check.ts'
import { inspected, type Role } from './role.ts'
import { refusal } from './server.ts'

/** A command that a role cannot do without. */
export interface NeededRight {
  /** As ACL rules name it: `xadd`, `pubsub|numsub`. */
  command: string
  /** What is lost without it. */
  why: string
  /** A form that changes nothing; Redis looks at rights before it looks at anything else. */
  probe: CommandArguments
}

/**
 * In this order: SET leaves a short-lived string, on which the commands for other types fail without a
 * trace, and UNLINK takes it away.
 */
function neededRights({ name, config }: Role, key: string, channel: string): NeededRight[] {
  const needs = (command: string, why: string, ...args: string[]): NeededRight => ({
    command,
    why,
    probe: [...command.toUpperCase().split('|'), ...args],
  })
  const cache = [
    needs('set', 'values are stored', key, '', 'PX', '10000'),
    needs('get', 'values are read', key),
    needs('pttl', 'values grow old', key),
    needs('pexpire', 'claims are renewed', key, '10000'),
    needs('time', 'values have their time'),
    needs('eval', 'scripts are loaded', 'return 1', '0'),
    needs('evalsha', 'scripts are run', '0'.repeat(40), '0'),
    needs('publish', 'other instances hear what was removed', channel, ''),
    needs('del', 'values are removed', key),
  ]
  if (name === 'cache') return cache
  return [
    needs('set', 'ids of messages are kept, so that a repeat is known', key, '', 'PX', '10000'),
    needs('get', 'reconnections are recognised', key),
    needs('mget', 'ids of messages are looked up', key),
    needs('pexpire', 'rooms that nobody uses are forgotten', key, '10000'),
    needs('hset', 'the place of a room is kept', key, 'f', ''),
    needs('hmget', 'the place of a room is read', key, 'f'),
    needs('hgetall', 'instances see each other', key),
    needs('hdel', 'instances that are gone are forgotten', key, 'f'),
    needs('hlen', 'members are counted', key),
    needs('hkeys', 'members are counted', key),
    needs('hscan', 'members are read', key, '0'),
    needs('pttl', 'claims have an end', key),
    needs('del', 'claims are given up', key),
    needs('xadd', 'messages are stored', key, 'NOMKSTREAM', '1-1', 'm', ''),
    needs('xrange', 'missed messages are read', key, '1', '1'),
    needs('xrevrange', 'history is read', key, '1', '1'),
    needs('time', 'messages have their time'),
    needs('eval', 'scripts are loaded', 'return 1', '0'),
    needs('evalsha', 'scripts are run', '0'.repeat(40), '0'),
    needs('publish', 'messages go to other instances', channel, ''),
    needs('pubsub|numsub', 'instances are asked about their sockets', channel),
    ...(config.roomAckReplicas > 0 ? [needs('wait', 'replicas confirm', '0', '1')] : []),
    needs('unlink', 'what is unverifiable is removed', key),
  ]
}

/** Each command, key and channel, without the rights of an administrator: Redis is asked, and says. */
export const rights: Check<Role> = {
  id: 'rights',
  needs: ['primary'],
  async run(role) {
    const tag = `${role.config.redisKeyPrefix}:{${role.learned.tag ?? `%doctor-${randomUUID()}`}}`
    const needed = neededRights(role, `${tag}:meta`, `${tag}:live`)
    const { command, subscribe } = inspected(role)
    const missing = new Map<string, string>()
    /** Resolves to whether it was done. */
    const look = async (why: string, name: string, work: Promise<unknown>) => {
      const reply = await work.catch(refusal)
      if (!(reply instanceof RedisFailure)) return true
      if (reply.outcomeUnknown) throw reply
      if (reply.kind !== 'noperm') return false
      const rule = missingRule(reply, name, role)
      if (!missing.has(rule)) missing.set(rule, why)
      return false
    }
    let throwAway = false
    for (const { command: name, why, probe } of needed) {
      // Without the string it would leave something behind.
      if (name === 'hset' && !throwAway) continue
      const done = await look(why, name, command(probe))
      if (name === 'set') throwAway = done
    }
    const cluster = role.target.cluster !== undefined
    const listening = subscribe(`${tag}:live`, () => undefined, cluster)
    await look('other instances are heard', cluster ? 'ssubscribe' : 'subscribe', listening)
    const user = role.target.username ?? 'default'
    if (missing.size === 0) return ok(`the user ${user} has all of them`)
    return [...missing].map(([rule, why]): Finding => {
      const remedy = `ACL SETUSER ${user} ${rule}, and in the ACL file; \`roomwire acl\` prints the whole rule`
      return failed(`${user} lacks ${rule}: ${why}`, remedy)
    })
  },
}

/** As in ACL SETUSER. */
function missingRule({ message }: RedisFailure, command: string, { config }: Role): string {
  if (message.includes('access to a key')) return `~${config.redisKeyPrefix}:*`
  if (message.includes('access to a channel')) return `&${config.redisKeyPrefix}:*`
  return `+${command}`
}

/** That nothing else lives under our names. Which instances do is worth knowing. */
export const prefix: Check<Role> = {
  id: 'prefix',
  needs: ['rights'],
  async run(role) {
    // Of a cluster, another node may have that key.
    if (role.name !== 'rooms' || role.target.cluster !== undefined) return []
    const { redisKeyPrefix } = role.config
    const key = `${redisKeyPrefix}:{instances}`
    const reply = await inspected(role).command(['HGETALL', key]).catch(refusal)
    if (reply instanceof RedisFailure) {
      if (reply.outcomeUnknown || reply.kind !== 'other') throw reply
      return failed(
        `the key ${key} holds something that is not ours`,
        'set REDIS_KEY_PREFIX to what nothing else uses in this Redis',
      )
    }
    const summaries = Array.isArray(reply)
      ? reply.filter((_, index) => index % 2 === 1)
      : Object.values(reply as Record<string, unknown>)
    const names = summaries.flatMap((each) => instanceName(String(each)) ?? [])
    if (names.length === 0) return ok(`nobody else uses ${redisKeyPrefix}`)
    const shown = `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
    return note(
      `${names.length} instances share ${redisKeyPrefix}: ${shown}`,
      'if any is of another deployment, give one of them another REDIS_KEY_PREFIX',
    )
  },
}

function instanceName(record: string): string | undefined {
  return /"instance":"([\w.:-]{1,64})"/.exec(record)?.[1]
}
