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

/**
 * For people: one line for each check, the remedy below it, the sum at the end. What was skipped for one
 * reason is one line.
 */
export function reportText({ checks }: Report): string {
  const shown = folded(checks)
  const nameWidth = Math.max(...shown.map((check) => nameOf(check).length))
  const lines = shown.flatMap((check) => {
    const { status, seen, remedy } = check
    const line = `${MARKS[status]} ${nameOf(check).padEnd(nameWidth)}  ${seen}`
    return remedy === undefined ? [line] : [line, `  ${' '.repeat(nameWidth)}  → ${remedy}`]
  })
  return `${lines.join('\n')}\n\n${summary(checks)}\n`
}

/** With one line in the place of checks in a row that were skipped for one reason. */
function folded(checks: readonly CheckResult[]): CheckResult[] {
  const lines: CheckResult[] = []
  let alike: CheckResult[] = []
  for (const [index, check] of checks.entries()) {
    if (check.status !== 'skipped') {
      lines.push(check)
      continue
    }
    alike.push(check)
    const next = checks[index + 1]
    if (next?.status === 'skipped' && next.role === check.role && next.seen === check.seen) continue
    const ids = alike.map(({ id }) => id).join(', ')
    lines.push({ ...check, id: 'skipped', seen: `because ${check.seen}: ${ids}` })
    alike = []
  }
  return lines
}

function nameOf({ role, id }: CheckResult): string {
  return role === undefined ? id : `${role} ${id}`
}

function summary(checks: readonly CheckResult[]): string {
  const count = (wanted: Status) => checks.filter(({ status }) => status === wanted).length
  const parts = [
    [count('failed'), 'failed'],
    [count('warning'), count('warning') === 1 ? 'warning' : 'warnings'],
    [count('skipped'), 'skipped'],
    [count('note'), count('note') === 1 ? 'note' : 'notes'],
    [count('ok'), 'fine'],
  ] as const
  return parts.flatMap(([number, word]) => (number === 0 ? [] : `${number} ${word}`)).join(', ')
}
