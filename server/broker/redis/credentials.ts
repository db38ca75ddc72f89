import type { Userinfo, UserinfoPart } from './url.ts'

/** What one role was given, under the names it was given by. Explicit values are taken as they are. */
export interface GivenCredentials {
  /** `REDIS` or `WEBSOCKET_REDIS`: variables are named after it in messages. */
  prefix: string
  username: string | undefined
  password: string | undefined
  /** Content of the password file, its trailing newline already removed. */
  passwordFile: string | undefined
  userinfo: Userinfo | undefined
}

export interface Credentials {
  username: string | undefined
  password: string | undefined
  /** The variable the password came from. */
  passwordSource: string | undefined
  /** The password's percent-sequences were decoded; it is wrong if they were meant literally. */
  passwordDecoded: boolean
  /** The user name may be a password whose `:` was forgotten: it must be kept as secret as one. */
  usernameMayBePassword: boolean
  notes: readonly CredentialNote[]
}

/** What an operator should hear about an ambiguous choice. Holds no part of any credential. */
export interface CredentialNote {
  variable: string
  message: string
  /** `info` where the input is most likely meant the way it was taken. */
  level: 'warn' | 'info'
}

/**
 * The password rule: `*_PASSWORD_FILE`, then `*_PASSWORD`, then the URL's userinfo; `*_USERNAME`
 * before the URL's user. Every raw URL password that Redis would refuse has a note that names
 * `*_PASSWORD_FILE`: it is one whose percent-sequences were decoded, or that lacks its `:`.
 */
export function decideCredentials(given: GivenCredentials): Credentials {
  const { prefix, userinfo } = given
  const explicit = given.passwordFile ?? given.password
  const password = explicit ?? userinfo?.password?.value
  const username = given.username ?? userinfo?.username?.value
  const decoded = userinfo?.password !== undefined && userinfo.password.form !== 'literal'
  const explicitSource = `${prefix}_${given.passwordFile === undefined ? 'PASSWORD' : 'PASSWORD_FILE'}`
  const source = explicit === undefined ? `${prefix}_URL` : explicitSource
  const passwordSource = password === undefined ? undefined : source
  return {
    username,
    password,
    passwordSource,
    passwordDecoded: explicit === undefined && decoded,
    usernameMayBePassword:
      password === undefined && given.username === undefined && userinfo?.hasColon === false,
    notes: [
      ...unusedNotes(given, passwordSource),
      ...decodedNotes(given, explicit === undefined),
      ...(password === undefined ? missingPasswordNotes(given) : []),
      ...literalNotes(given),
    ],
  }
}

/** What was given twice. */
function unusedNotes(given: GivenCredentials, source: string | undefined): CredentialNote[] {
  const { prefix, userinfo } = given
  const notes: CredentialNote[] = []
  const explicit = given.passwordFile ?? given.password
  if (given.passwordFile !== undefined && given.password !== undefined) {
    notes.push(warning(`${prefix}_PASSWORD`, `is not used, because ${source} is set: unset one`))
  }
  if (explicit !== undefined && differs(userinfo?.password, explicit)) {
    const message = `has a password that is not used, because ${source} is set: remove one`
    notes.push(warning(`${prefix}_URL`, message))
  }
  if (given.username !== undefined && differs(userinfo?.username, given.username)) {
    const message = `has a user name that is not used, because ${prefix}_USERNAME is set: remove one`
    notes.push(warning(`${prefix}_URL`, message))
  }
  return notes
}

/** Whatever was decoded may have been meant literally. */
function decodedNotes(given: GivenCredentials, passwordIsUrls: boolean): CredentialNote[] {
  const { prefix, userinfo } = given
  const variable = `${prefix}_URL`
  const way = `if its percent-sequences are meant literally, use ${prefix}_PASSWORD_FILE`
  const notes: CredentialNote[] = []
  if (passwordIsUrls && userinfo?.password?.form === 'encoded') {
    const message = `has a percent-encoded password, which was decoded; ${way}`
    notes.push({ variable, message, level: 'info' })
  }
  if (passwordIsUrls && userinfo?.password?.form === 'ambiguous') {
    const message = `has a password that was percent-decoded, though percent-encoding would have written it differently; ${way}`
    notes.push(warning(variable, message))
  }
  if (given.username === undefined && userinfo?.username?.form === 'ambiguous') {
    const message = `has a user name that was percent-decoded; if its percent-sequences are meant literally, use ${prefix}_USERNAME`
    notes.push(warning(variable, message))
  }
  return notes
}

/** A user name alone: the Redis client then authenticates nobody. */
function missingPasswordNotes(given: GivenCredentials): CredentialNote[] {
  const { prefix, userinfo } = given
  const file = `${prefix}_PASSWORD_FILE`
  if (userinfo?.hasColon === false) {
    const message = `has no ":" before its @, so that what stands there is a user name without a password; if it is the password, write redis://:PASSWORD@… or use ${file}`
    return [warning(`${prefix}_URL`, message)]
  }
  if (given.username !== undefined) {
    return [warning(`${prefix}_USERNAME`, `has no password to go with it: set ${file}`)]
  }
  if (userinfo?.username !== undefined) {
    return [warning(`${prefix}_URL`, `has a user name without a password: set ${file}`)]
  }
  return []
}

/** Explicit values are taken as they are, also where a shell or an editor left something behind. */
function literalNotes(given: GivenCredentials): CredentialNote[] {
  const { prefix, passwordFile, password } = given
  const variable = `${prefix}_${passwordFile === undefined ? 'PASSWORD' : 'PASSWORD_FILE'}`
  const value = passwordFile ?? password ?? ''
  if (value.includes('\n')) {
    return [warning(variable, 'has more than one line, all of which are taken as the password')]
  }
  if (value.trim() !== value || /^(["'`]).*\1$/s.test(value)) {
    const message = 'has white space at an end, or quotes around it: they are taken as part of it'
    return [warning(variable, message)]
  }
  return []
}

function warning(variable: string, message: string): CredentialNote {
  return { variable, message, level: 'warn' }
}

function differs(part: UserinfoPart | undefined, value: string): boolean {
  return part !== undefined && part.value !== value
}

/**
 * The password in a file: UTF-8 without one trailing newline (and without a byte order mark).
 * Undefined where that leaves nothing, or where it is not UTF-8.
 */
export function passwordFromFile(content: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content)
    return text.replace(/\r?\n$/, '') || undefined
  } catch {
    return undefined
  }
}

/**
 * What to add to the log line of a password that Redis refused: undefined where there is nothing to
 * suspect. Holds no part of any credential.
 */
export function refusedPasswordHint(source: {
  address: string
  passwordDecoded?: boolean
  usernameMayBePassword?: boolean
}): string | undefined {
  const file = source.address.replace(/_URL$/, '_PASSWORD_FILE')
  if (source.passwordDecoded) {
    return `percent-sequences in the password of ${source.address} were decoded; if they are meant literally, use ${file}`
  }
  if (source.usernameMayBePassword) {
    return `${source.address} has a user name but no password; if it is the password, write redis://:PASSWORD@… or use ${file}`
  }
  return undefined
}
