import type { Address } from '../broker/redis/client.ts'
import { type FailureKind, RedisFailure } from '../broker/redis/failure.ts'
import { openInspection } from '../broker/redis/inspection.ts'
import { nameOf } from '../broker/redis/slots.ts'
import type { RedisSentinel, RedisTarget } from '../config.ts'
import { type Check, type Finding, failed, ok, warning } from './check.ts'
import type { Role } from './role.ts'
import { refusal } from './server.ts'

/** Whom a Sentinel names; undefined: it knows no master of that name. */
type Answer = Address | undefined | RedisFailure

/** That Sentinels can be asked, and agree; what follows examines the primary that they name. */
export const sentinel: Check<Role> = {
  id: 'sentinel',
  needs: [],
  async run(role) {
    const { target, prefix } = role
    if (target.sentinel === undefined) return []
    const { sentinel } = target
    const { hosts } = sentinel
    const answers = await Promise.all(hosts.map((host) => askWho(target, sentinel, host)))
    const troubles = answers.flatMap((answer, index) => {
      const host = hosts[index]
      return host === undefined ? [] : (trouble(answer, nameOf(host), target.host, prefix) ?? [])
    })
    const named = answers.filter((answer) => answer !== undefined && !isFailure(answer))
    const [first] = named as Address[]
    if (first === undefined) return troubles.map(({ seen, remedy }) => failed(seen, remedy))
    role.target = { ...target, ...first }
    const names = new Set((named as Address[]).map(nameOf))
    const findings: Finding[] = troubles.map(({ seen, remedy }) => warning(seen, remedy))
    if (names.size > 1) {
      const remedy = `wait, if a fail-over is under way; else SENTINEL CKQUORUM ${target.host}`
      findings.push(warning(`they disagree on the primary: ${[...names].join(', ')}`, remedy))
    } else findings.push(ok(`${named.length} of ${hosts.length} name ${nameOf(first)}`))
    return findings
  },
}

function isFailure(answer: Answer): answer is RedisFailure {
  return answer instanceof RedisFailure
}

async function askWho(
  target: RedisTarget,
  { username, password }: RedisSentinel,
  host: Address,
): Promise<Answer> {
  try {
    const endpoint = { ...target, ...host, username, password, database: 0 }
    const inspection = await openInspection(endpoint)
    try {
      const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', target.host]
      const reply = await inspection.command(command)
      if (!Array.isArray(reply)) return undefined
      return { host: String(reply[0]), port: Number(reply[1]) }
    } finally {
      inspection.close()
    }
  } catch (error) {
    return refusal(error)
  }
}

const CREDENTIALS: ReadonlySet<FailureKind> = new Set(['noauth', 'wrongpass', 'noperm'])

function trouble(
  answer: Answer,
  who: string,
  master: string,
  prefix: string,
): { seen: string; remedy: string } | undefined {
  if (answer === undefined) {
    const remedy = `the host in ${prefix}_URL must be the name in sentinel.conf (sentinel monitor NAME …); SENTINEL MASTERS lists them`
    return { seen: `${who} knows no master ${master}`, remedy }
  }
  if (!isFailure(answer)) return undefined
  if (CREDENTIALS.has(answer.kind)) {
    const remedy = `Sentinels have passwords of their own (sentinel.conf: requirepass): ${prefix}_SENTINEL_PASSWORD_FILE, ${prefix}_SENTINEL_USERNAME`
    return { seen: `${who}: ${answer.message}`, remedy }
  }
  const remedy = `correct ${prefix}_SENTINEL_HOSTS and ${prefix}_SENTINEL_PORT; does a Sentinel run there?`
  return { seen: `${who}: ${answer.message}`, remedy }
}
