/** What was found; `note` is nothing to mend, `skipped` was pointless after an earlier failure. */
export type Status = 'ok' | 'note' | 'warning' | 'failed' | 'skipped'

export interface Finding {
  status: Status
  /** A sentence without its full stop. Never a password, never a URL with one. */
  seen: string
  /** What to do, naming the variable, the directive of redis.conf or the command. */
  remedy?: string
}

/** One line of the report. */
export interface CheckResult extends Finding {
  id: string
  /** Undefined for what concerns the process as a whole. */
  role?: string
}

/** One thing that is looked at in a subject. */
export interface Check<Subject> {
  /** Stable: scripts look for it. */
  id: string
  /** Checks of the same list without which this one is pointless; it is skipped where one failed. */
  needs: readonly string[]
  /** Never for longer than `DEADLINE_MS`, after which it has failed. */
  run(subject: Subject): Promise<Finding | readonly Finding[]> | Finding | readonly Finding[]
}

export function ok(seen: string): Finding {
  return { status: 'ok', seen }
}

export function note(seen: string, remedy?: string): Finding {
  return { status: 'note', seen, ...(remedy === undefined ? {} : { remedy }) }
}

export function warning(seen: string, remedy: string): Finding {
  return { status: 'warning', seen, remedy }
}

export function failed(seen: string, remedy: string): Finding {
  return { status: 'failed', seen, remedy }
}

export interface Report {
  /** Nothing failed. */
  ok: boolean
  /** 0: fine, notes apart. 1: warnings. 2: something failed. */
  exitCode: 0 | 1 | 2
  checks: readonly CheckResult[]
}

export function reportOn(checks: readonly CheckResult[]): Report {
  const has = (status: string) => checks.some((check) => check.status === status)
  const exitCode = has('failed') ? 2 : has('warning') ? 1 : 0
  return { ok: exitCode !== 2, exitCode, checks }
}
