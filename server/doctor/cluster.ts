import { randomUUID } from 'node:crypto'
import type { Address } from '../broker/redis/client.ts'
import { RedisFailure } from '../broker/redis/failure.ts'
import { type Inspection, openInspection } from '../broker/redis/inspection.ts'
import { nameOf, slotOf, topologyFrom } from '../broker/redis/slots.ts'
import { type Check, failed, ok } from './check.ts'
import { inspected, type Role } from './role.ts'
import { readInfo, refusal } from './server.ts'

/** Nobody has more; a tag for one of them is found long before. */
const MOST_TAGS = 100_000

/**
 * That every slot is served, by a primary that we can reach and log in to. What follows examines one
 * of them.
 */
export const cluster: Check<Role> = {
  id: 'cluster',
  needs: ['topology'],
  async run(role) {
    const { target } = role
    if (target.cluster === undefined) return []
    const { command } = inspected(role)
    const state = await command(['CLUSTER', 'INFO']).catch(refusal)
    if (!(state instanceof RedisFailure) && !/cluster_state:ok/.test(String(state))) {
      const remedy = 'redis-cli --cluster check, then fix; CLUSTER NODES says which nodes failed'
      return failed('some slots are not served (cluster_state)', remedy)
    }
    const reply = await command(['CLUSTER', 'SLOTS']).catch(refusal)
    if (reply instanceof RedisFailure) {
      return failed(reply.message, 'ACL SETUSER … +cluster|slots')
    }
    const { owners } = topologyFrom(reply, target.host)
    const primaries = new Map(owners.flatMap((each) => (each ? [[nameOf(each), each]] : [])))
    const visits = await Promise.all([...primaries.values()].map((each) => visit(role, each)))
    const unreachable = visits.filter((each) => each instanceof RedisFailure)
    if (unreachable.length > 0) {
      for (const each of visits) if (!(each instanceof RedisFailure)) each.inspection.close()
      return unreachable.map(({ message }) =>
        failed(
          message,
          'nodes must announce addresses that work from here (redis.conf: cluster-announce-ip, cluster-announce-hostname with cluster-preferred-endpoint-type hostname), and let us in',
        ),
      )
    }
    const [one, ...others] = visits as Visit[]
    if (one === undefined) return failed('no node serves a slot', 'redis-cli --cluster create')
    for (const { inspection } of others) inspection.close()
    await moveTo(role, one, owners)
    return ok(`${primaries.size} primaries serve every slot; ${nameOf(one.address)} is examined`)
  },
}

interface Visit {
  address: Address
  inspection: Inspection
}

async function visit({ target }: Role, address: Address): Promise<Visit | RedisFailure> {
  try {
    return { address, inspection: await openInspection({ ...target, ...address }) }
  } catch (error) {
    const { kind, message } = refusal(error)
    return new RedisFailure(kind, { detail: `${nameOf(address)} (${message})` })
  }
}

/** The node in the URL may be a replica, or have no slots. */
async function moveTo(
  role: Role,
  { address, inspection }: Visit,
  owners: readonly (Address | undefined)[],
): Promise<void> {
  role.learned.inspection?.close()
  role.learned.inspection = inspection
  role.target = { ...role.target, ...address }
  for (let tried = 0; tried < MOST_TAGS; tried++) {
    const tag = `%doctor-${randomUUID()}`
    const owner = owners[slotOf(`{${tag}}`)]
    if (owner === undefined || nameOf(owner) !== nameOf(address)) continue
    role.learned.tag = tag
    break
  }
  await readInfo(role)
}
