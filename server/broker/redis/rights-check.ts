import { RedisFailure } from './failure.ts'
import type { Right } from './rights.ts'
import type { Command } from './script-call.ts'

/**
 * Tries every right once, in one pipeline, so that one that is missing shows before somebody needs it,
 * and all that are missing show at once. Asking Redis (`ACL DRYRUN`) would take an administrator.
 *
 * @returns the optional rights that are missing
 * @throws RedisFailure `noperm` that names every other one; any failure that is no refusal
 */
export async function checkRights(
  command: Command,
  rights: readonly Right[],
  keyPrefix: string,
): Promise<readonly Right[]> {
  const tag = `${keyPrefix}:{%rights}`
  const place = {
    ...{ hash: `${tag}:meta`, log: `${tag}:log`, text: `${tag}:id`, channel: `${tag}:live` },
    labels: `${tag}:labels`,
    session: `${keyPrefix}:session:%rights`,
  }
  const refusals = await Promise.all(
    rights.map(async ({ trial }) => {
      if (trial === undefined) return undefined
      try {
        await command(trial(place))
      } catch (error) {
        if (!(error instanceof RedisFailure)) throw error
        if (error.kind === 'noperm') return error.lacks ?? 'command'
        if (error.outcomeUnknown || error.kind === 'closed') throw error
      }
      return undefined // whatever else Redis said, it was not about rights
    }),
  )
  const missing = rights.filter((right, index) => refusals[index] === 'command' && !right.without)
  const details = missing.map((right) => `the command ${right.command}`)
  if (refusals.includes('key')) details.push(`access to its keys (~${keyPrefix}:*)`)
  if (refusals.includes('channel')) details.push(`access to its channels (&${keyPrefix}:*)`)
  if (details.length > 0) {
    const detail = `${details.join(', ')}; "roomwire acl" prints the whole rule`
    throw new RedisFailure('noperm', { detail })
  }
  return rights.filter((_, index) => refusals[index] !== undefined)
}
