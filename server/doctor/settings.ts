import { statSync } from 'node:fs'
import type { ConfigError, ConfigWarning, RedisTarget } from '../config.ts'
import { type Check, type Finding, failed, note, ok, warning } from './check.ts'
import type { Role } from './role.ts'

/** Those that concern a password belong to their role's check of it. */
const ABOUT_PASSWORDS = /_(USERNAME|PASSWORD|PASSWORD_FILE)$/

/** Every problem that keeps a gateway from starting, and what may be its cause. */
export function problemFindings({ problems, warnings }: ConfigError): Finding[] {
  const failures = problems.map(({ variable, message }) =>
    failed(`${variable} ${message}`, `correct ${variable}; a gateway does not start like this`),
  )
  return [...failures, ...warnings.map(found)]
}

/** What `readConfig` warned of, but for passwords. */
export function settingsFindings(
  warnings: readonly ConfigWarning[],
  targets: readonly (RedisTarget | undefined)[],
): Finding[] {
  const prefixes = targets.flatMap((target) => (target ? [prefixOf(target)] : []))
  const others = warnings.filter((each) => !prefixes.some((prefix) => concerns(each, prefix)))
  return others.length === 0 ? [ok('every setting is understood')] : others.map(found)
}

export function prefixOf({ source }: RedisTarget): string {
  return source.address.replace(/_URL$/, '')
}

function concerns({ variable, message }: ConfigWarning, prefix: string): boolean {
  if (!variable.startsWith(prefix)) return false
  const name = variable.slice(prefix.length)
  return ABOUT_PASSWORDS.test(name) || (name === '_URL' && /password|user name/.test(message))
}

function found({ variable, message, level }: ConfigWarning): Finding {
  const seen = `${variable} ${message}`
  return level === 'info' ? note(seen) : warning(seen, `correct ${variable}, or unset it`)
}

/** Where the password comes from, and whether it can be mistaken. */
export const password: Check<Role> = {
  id: 'password',
  needs: [],
  run({ prefix, target, warnings, env, shared }) {
    const own = warnings.filter((each) => concerns(each, prefix))
    const findings = own.map(({ variable, message, level }) => {
      const seen = `${variable} ${message}`
      return level === 'info'
        ? note(seen)
        : warning(seen, `put the password alone into a file and set ${prefix}_PASSWORD_FILE`)
    })
    const from = target.source.password
    const file = env[`${prefix}_PASSWORD_FILE`]?.trim()
    if (from === undefined) findings.push(note(`none is set${shared ? '' : ' for this role'}`))
    else if (from === `${prefix}_PASSWORD_FILE`) findings.push(fileFinding(from, file ?? ''))
    else {
      const seen = `from ${from}, where whoever sees the environment sees it`
      findings.push(note(seen, `a file is safer: ${prefix}_PASSWORD_FILE`))
    }
    return findings
  },
}

function fileFinding(variable: string, path: string): Finding {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & 0o004) === 0) return ok(`from ${variable}`)
  // Secrets of containers are mounted like this; elsewhere it is too much.
  return note(`from ${variable}, a file that everybody on this machine may read`, 'chmod o-r')
}
