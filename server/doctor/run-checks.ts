import { setTimeout as sleep } from 'node:timers/promises'
import { type Check, type CheckResult, type Finding, failed } from './check.ts'

/** Of one check. The slowest are a dead host (3 s) and fifty round trips (2 s). */
const DEADLINE_MS = 5000
/** Of a list: the whole run stays below 15 s whatever does not answer. */
const TOTAL_MS = 12_000

/** Runs checks one after the other; what an earlier failure makes pointless is skipped, and says so. */
export async function runChecks<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
  role?: string,
): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  /** Why a check has nothing to stand on, by its id. */
  const broken = new Map<string, string>()
  const began = performance.now()
  for (const { id, needs, run } of checks) {
    const cause = needs.map((need) => broken.get(need)).find((reason) => reason !== undefined)
    const late = performance.now() - began > TOTAL_MS ? 'no time was left' : undefined
    const reason = cause ?? late
    const findings =
      reason === undefined
        ? await bounded(async () => run(subject))
        : [{ status: 'skipped', seen: reason } as const]
    if (reason !== undefined) broken.set(id, reason)
    else if (findings.some(({ status }) => status === 'failed')) broken.set(id, `${id} failed`)
    for (const finding of findings) {
      results.push({ id, ...(role === undefined ? {} : { role }), ...finding })
    }
  }
  return results
}

async function bounded(
  run: () => Promise<Finding | readonly Finding[]>,
): Promise<readonly Finding[]> {
  const settled = new AbortController()
  const late = sleep(DEADLINE_MS, undefined, { signal: settled.signal }).then(() =>
    failed(`no result within ${DEADLINE_MS / 1000} s`, 'try again; is the machine overloaded?'),
  )
  late.catch(() => undefined)
  try {
    return [await Promise.race([run(), late])].flat()
  } catch (error) {
    // Kinds and codes only: a library's own text may hold a URL.
    const { name, code = name } = error as NodeJS.ErrnoException
    return [failed(`the check itself failed (${code})`, 'report this')]
  } finally {
    settled.abort()
  }
}
