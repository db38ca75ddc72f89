import { randomUUID } from 'node:crypto'
import { RedisFailure } from '../broker/redis/failure.ts'
import { producerPatterns } from '../broker/redis/producers.ts'
import { type Right, rightsFor, type TrialPlace } from '../broker/redis/rights.ts'
import { type Check, type Finding, failed, ok, warning } from './check.ts'
import { inspected, type Role } from './role.ts'
import { refusal } from './server.ts'

/** What is missing, as ACL SETUSER takes it, and whether the role goes on without. */
interface Missing {
  rule: string
  why: string
  optional: boolean
}

/** Each command, key and channel, without the rights of an administrator: Redis is asked, and says. */
export const rights: Check<Role> = {
  id: 'rights',
  needs: ['primary'],
  async run(role) {
    const place = placeFor(role)
    const missing = new Map<string, Missing>()
    const look = async (
      right: Pick<Right, 'command' | 'why' | 'without'>,
      work: Promise<unknown>,
    ) => {
      const reply = await work.catch(refusal)
      if (!(reply instanceof RedisFailure)) return
      if (reply.outcomeUnknown) throw reply
      if (reply.kind !== 'noperm') return // whatever else Redis said, it was not about rights
      const rule = missingRule(reply, right.command, role)
      const why = right.without ?? right.why
      if (!missing.has(rule))
        missing.set(rule, { rule, why, optional: right.without !== undefined })
    }

    // In one pipeline, which keeps their order: what one leaves behind, a later one lets expire.
    const tried = neededRights(role).flatMap((right) =>
      right.trial === undefined ? [] : [look(right, inspected(role).command(right.trial(place)))],
    )
    await Promise.all(tried)
    await Promise.all(subscriptions(role, place).map(({ right, work }) => look(right, work)))
    const user = role.target.username ?? 'default'
    if (missing.size === 0) return ok(`the user ${user} has all of them`)
    return [...missing.values()].map(({ rule, why, optional }): Finding => {
      const remedy = `ACL SETUSER ${user} ${rule}, and in the ACL file; roomwire acl prints the whole rule`
      return optional
        ? warning(`${user} lacks ${rule}, so that ${why}`, remedy)
        : failed(`${user} lacks ${rule}: ${why}`, remedy)
    })
  },
}

/** Of this configuration; `database` and log-in have checks of their own. */
function neededRights({ name, shared, config, target }: Role): readonly Right[] {
  const roles = shared ? (['rooms', 'cache'] as const) : [name]
  return rightsFor({ roles, cluster: target.cluster !== undefined }).filter(
    ({ command, setting }) =>
      (setting !== 'ROOM_ACK_REPLICAS' || config.roomAckReplicas > 0) &&
      // A note of `info`.
      command !== 'info',
  )
}

function subscriptions(role: Role, { channel }: TrialPlace) {
  const { subscribe } = inspected(role)
  const sharded = role.target.cluster !== undefined
  const ours = {
    right: { command: sharded ? 'ssubscribe' : 'subscribe', why: 'other instances are heard' },
    work: subscribe(channel, () => undefined, sharded ? 'sharded' : 'plain'),
  }
  if (role.name !== 'rooms') return [ours]
  const theirs = producerPatterns(role.config.producers).map((pattern) => ({
    right: {
      command: `psubscribe &${pattern}`,
      why: 'producers are heard',
      without: 'what backends publish into Redis is not heard (REDIS_EMITTER, PYTHON_SOCKETIO)',
    },
    work: subscribe(pattern, () => undefined, 'pattern'),
  }))
  return [ours, ...theirs]
}

function placeFor({ config, learned }: Role): TrialPlace {
  const { tag = `%doctor-${randomUUID()}` } = learned
  const base = `${config.redisKeyPrefix}:{${tag}}`
  return {
    ...{ hash: `${base}:meta`, log: `${base}:log`, labels: `${base}:labels`, text: `${base}:id` },
    session: `${config.redisKeyPrefix}:session:${tag}`,
    channel: `${base}:live`,
  }
}

/** As in ACL SETUSER. */
function missingRule({ lacks }: RedisFailure, command: string, { config }: Role): string {
  const foreign = /^psubscribe (&.*)$/.exec(command)?.[1]
  if (lacks === 'key') return `~${config.redisKeyPrefix}:*`
  if (lacks === 'channel') return foreign ?? `&${config.redisKeyPrefix}:*`
  return `+${command.replace(/ .*/, '')}`
}
