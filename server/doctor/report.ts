import type { CheckResult, Report, Status } from './check.ts'

const MARKS: Readonly<Record<Status, string>> = {
  ok: '✓',
  note: '·',
  warning: '!',
  failed: '✗',
  skipped: '-',
}

/** For scripts: `{ ok, exitCode, checks: [{ id, role?, status, seen, remedy? }] }`. */
export function reportJson(report: Report): string {
  return `${JSON.stringify(report, undefined, 2)}\n`
}

/** For people: one line for each check, the remedy below it, the sum at the end. */
export function reportText({ checks }: Report): string {
  const nameWidth = Math.max(...checks.map((check) => nameOf(check).length))
  const lines = checks.flatMap((check) => {
    const { status, seen, remedy } = check
    const line = `${MARKS[status]} ${nameOf(check).padEnd(nameWidth)}  ${skipped(status)}${seen}`
    return remedy === undefined ? [line] : [line, `  ${' '.repeat(nameWidth)}  → ${remedy}`]
  })
  return `${lines.join('\n')}\n\n${summary(checks)}\n`
}

function nameOf({ role, id }: CheckResult): string {
  return role === undefined ? id : `${role} ${id}`
}

function skipped(status: Status): string {
  return status === 'skipped' ? 'skipped: ' : ''
}

function summary(checks: readonly CheckResult[]): string {
  const count = (wanted: Status) => checks.filter(({ status }) => status === wanted).length
  const parts = [
    [count('failed'), 'failed'],
    [count('warning'), count('warning') === 1 ? 'warning' : 'warnings'],
    [count('skipped'), 'skipped'],
    [count('ok') + count('note'), 'fine'],
  ] as const
  return parts.flatMap(([number, word]) => (number === 0 ? [] : `${number} ${word}`)).join(', ')
}
