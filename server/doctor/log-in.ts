import { type FailureKind, RedisFailure } from '../broker/redis/failure.ts'
import { type Inspection, openInspection } from '../broker/redis/inspection.ts'
import type { RedisTarget } from '../config.ts'
import { type Check, type Finding, failed, ok, warning } from './check.ts'
import type { Role } from './role.ts'

const REFUSED: ReadonlySet<FailureKind> = new Set(['wrongpass', 'noauth'])

/** That Redis takes the user and the password; where it does not, what it would have taken. */
export const auth: Check<Role> = {
  id: 'auth',
  needs: ['answer', 'tls-name', 'tls-expiry'],
  async run(role) {
    const { target, learned } = role
    // The database is a check of its own.
    const attempt = await tryLogIn({ ...target, database: 0 })
    if (!(attempt instanceof RedisFailure)) {
      learned.inspection = attempt
      return accepted(role)
    }
    if (!REFUSED.has(attempt.kind)) {
      return failed(
        attempt.message,
        'look at the log of Redis; is it 6.2 or later, which know HELLO?',
      )
    }
    for (const { differently, remedy } of guesses(role)) {
      const other = await tryLogIn({ ...target, database: 0, ...differently })
      if (other instanceof RedisFailure) continue
      other.close()
      return failed('Redis refuses the user name or password', remedy)
    }
    return refused(role)
  },
}

function accepted({ target, learned, prefix }: Role): Finding {
  // Without a password the client logs nobody in, whatever the user name.
  const named = target.password === undefined ? undefined : target.username
  const who = named === undefined ? 'the default user' : `the user ${named}`
  if (learned.greeting?.name !== 'said' || !learned.greeting.text.startsWith('+PONG'))
    return ok(`logged in as ${who}`)
  if (target.password === undefined) return ok('Redis asks for no password')
  return warning(
    `logged in as ${who}, but Redis lets in everybody without a password`,
    `give its default user the password of ${prefix} (redis.conf: requirepass), or switch it off (ACL SETUSER default off)`,
  )
}

function refused({ target, prefix }: Role): Finding {
  const { username, source } = target
  if (source.password === undefined) {
    return failed('Redis asks for a password, and none is set', `set ${prefix}_PASSWORD_FILE`)
  }
  if (username === undefined) {
    const remedy = `${source.password} must hold what requirepass in redis.conf (or the ACL file's default user) says; where a user was made, set ${prefix}_USERNAME`
    return failed('Redis refuses the password', remedy)
  }
  const who = source.usernameMayBePassword ? 'NAME' : username
  const remedy = `as an administrator: ACL GETUSER ${who}. No such user, or off: ACL SETUSER ${who} on …; else ${source.password} differs from its password`
  return failed('Redis refuses the user name or password', remedy)
}

interface Guess {
  differently: Partial<Pick<RedisTarget, 'username' | 'password'>>
  remedy: string
}

/** What people get wrong, likeliest first. Each costs one refused log-in. */
function guesses({ target, prefix, env }: Role): Guess[] {
  const { username, password, source } = target
  const file = `${prefix}_PASSWORD_FILE`
  const found: Guess[] = []
  const suggest = (differently: Guess['differently'], remedy: string) => {
    found.push({ differently, remedy })
  }
  if (password === undefined) {
    if (username !== undefined && source.usernameMayBePassword) {
      const remedy = `the ":" before the password is missing in ${source.address}: redis://:PASSWORD@…, or set ${file}`
      suggest({ username: undefined, password: username }, remedy)
    }
    return found
  }
  const raw = source.passwordDecoded ? rawPassword(env[source.address] ?? '') : undefined
  if (raw !== undefined) {
    const remedy = `the percent-sequences of ${source.address} belong to the password: put it into a file as it is and set ${file}`
    suggest({ password: raw }, remedy)
  }
  const decoded = decode(password)
  if (decoded !== password) {
    suggest({ password: decoded }, `${source.password} is percent-encoded: write it decoded`)
  }
  const bare = password.trim().replace(/^(["'`])(.*)\1$/s, '$2')
  if (bare !== password) {
    const remedy = `remove the white space or the quotes around the password in ${source.password}`
    suggest({ password: bare }, remedy)
  }
  if (username !== undefined) {
    const remedy = `the password is the default user's: correct or remove the user name (${prefix}_USERNAME, or in ${prefix}_URL)`
    suggest({ username: undefined }, remedy)
  }
  return found
}

async function tryLogIn(target: RedisTarget): Promise<Inspection | RedisFailure> {
  try {
    return await openInspection(target)
  } catch (error) {
    return error instanceof RedisFailure ? error : new RedisFailure('other')
  }
}

function rawPassword(url: string): string {
  const rest = url.trim().replace(/^[^/]*\/\//, '')
  const userinfo = rest.slice(0, rest.lastIndexOf('@'))
  return userinfo.slice(userinfo.indexOf(':') + 1)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
