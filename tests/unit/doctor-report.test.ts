import { expect, test } from 'vitest'
import { type CheckResult, reportOn } from '../../server/doctor/check.ts'
import { reportJson, reportText } from '../../server/doctor/report.ts'

const skipped = (id: string, role: string, seen = 'tcp failed'): CheckResult => ({
  ...{ id, role, seen },
  status: 'skipped',
})

const report = reportOn([
  { id: 'settings', status: 'ok', seen: 'every setting is understood' },
  { id: 'home', status: 'note', seen: 'in memory' },
  { id: 'tcp', role: 'rooms', status: 'failed', seen: 'nothing there', remedy: 'start it' },
  ...['tls', 'answer', 'auth'].map((id) => skipped(id, 'rooms')),
  skipped('clock', 'rooms', 'no time was left'),
  skipped('tls', 'cache'),
  { id: 'files', status: 'warning', seen: 'few', remedy: 'allow more' },
])

test('what was skipped in a row, of one role and for one reason, is one line for people', () => {
  expect(reportText(report).split('\n')).toEqual([
    '✓ settings       every setting is understood',
    '· home           in memory',
    '✗ rooms tcp      nothing there',
    '                 → start it',
    '- rooms skipped  because tcp failed: tls, answer, auth',
    '- rooms skipped  because no time was left: clock',
    '- cache skipped  because tcp failed: tls',
    '! files          few',
    '                 → allow more',
    '',
    '1 failed, 1 warning, 5 skipped, 1 note, 1 fine',
    '',
  ])
})

test('scripts get every check', () => {
  expect(JSON.parse(reportJson(report)).checks).toEqual(report.checks)
})
