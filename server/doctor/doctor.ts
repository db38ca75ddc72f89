import { ConfigError, readConfig } from '../config.ts'
import type { Environment } from '../option-reader.ts'
import { answer } from './answer.ts'
import { type Check, type CheckResult, note, ok, type Report, reportOn, warning } from './check.ts'
import { cluster } from './cluster.ts'
import { maxclients, outputLimit, timeout } from './connections.ts'
import { auth } from './log-in.ts'
import { files, port } from './machine.ts'
import { dns, tcp } from './network.ts'
import { prefix } from './prefix.ts'
import { rights } from './rights.ts'
import type { Role } from './role.ts'
import { clock, roundTrip, write } from './round-trip.ts'
import { runChecks } from './run-checks.ts'
import { sentinel } from './sentinel.ts'
import { database, info, loading, primary, replicas, topology, version } from './server.ts'
import { password, prefixOf, problemFindings, settingsFindings } from './settings.ts'
import { eviction, memory, persistence } from './storage.ts'
import { tls, tlsExpiry, tlsName } from './tls.ts'

/** From what has to be there first to what rests on it. */
const roleChecks: readonly Check<Role>[] = [
  ...[password, sentinel, dns, tcp, tls, tlsName, tlsExpiry, answer, auth],
  ...[info, loading, topology, cluster, database, version, primary, replicas],
  ...[eviction, persistence, memory, timeout, outputLimit, maxclients],
  ...[rights, prefix, write, roundTrip, clock],
]

/**
 * Examines what a gateway with this environment would meet, without becoming one: what it writes to
 * Redis lives for seconds, under names of its own. Takes less than 15 s whatever does not answer.
 */
export async function examine(env: Environment, now: () => number = Date.now): Promise<Report> {
  let read: ReturnType<typeof readConfig>
  try {
    read = readConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return reportOn(problemFindings(error).map((finding) => ({ id: 'settings', ...finding })))
  }
  const { config, warnings } = read
  const { rooms, cache } = config
  const shared = rooms !== undefined && rooms === cache
  const targets = [rooms, shared ? undefined : cache]

  const roles = (['rooms', 'cache'] as const).flatMap((name, index): Role[] => {
    const target = targets[index]
    if (target === undefined) return []
    const common = { name, shared, target, prefix: prefixOf(target), learned: {} }
    return [{ ...common, config, env, warnings, now }]
  })
  const machine = runChecks([files, port], { config })
  const examined = await Promise.all(roles.map((role) => runChecks(roleChecks, role, role.name)))
  for (const { learned } of roles) learned.inspection?.close()

  const settings = settingsFindings(warnings, targets)
  return reportOn([
    ...settings.map((finding) => ({ id: 'settings', ...finding })),
    ...homes(config, shared),
    ...examined.flat(),
    ...sameServer(roles),
    ...(await machine),
  ])
}

/** Roles that have no Redis of their own. */
function homes({ rooms, cache }: { rooms?: unknown; cache?: unknown }, shared: boolean) {
  const id = 'home'
  const found: CheckResult[] = []
  if (rooms === undefined) {
    const seen = 'in memory: for one instance, and until it ends'
    found.push({ id, role: 'rooms', ...note(seen, 'set WEBSOCKET_REDIS_URL for more') })
  }
  if (cache === undefined) found.push({ id, role: 'cache', ...ok('in memory') })
  else if (shared) found.push({ id, role: 'cache', ...ok('in the Redis of the rooms') })
  return found
}

/** Two URLs, one server: its eviction policy can suit only one of the roles. */
function sameServer(roles: readonly Role[]): CheckResult[] {
  const [one, other] = roles.map(({ learned }) => learned.info?.get('run_id'))
  if (one === undefined || one !== other) return []
  const seen = 'both URLs lead to one Redis, whose eviction policy can suit only one of the roles'
  const remedy = 'give the cache a Redis of its own (REDIS_URL), or unset one of the URLs'
  return [{ id: 'roles', ...warning(seen, remedy) }]
}
