import { RedisFailure } from '../broker/redis/failure.ts'
import { type Check, failed, note, ok } from './check.ts'
import { inspected, type Role } from './role.ts'
import { refusal } from './server.ts'

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
      `${names.length === 1 ? '1 instance uses' : `${names.length} instances share`} ${redisKeyPrefix}: ${shown}`,
      'if any is of another deployment, give one of them another REDIS_KEY_PREFIX',
    )
  },
}

function instanceName(record: string): string | undefined {
  return /"instance":"([\w.:-]{1,64})"/.exec(record)?.[1]
}
