import { expect, test } from 'vitest'
import type { Report } from '../../server/doctor/check.ts'
import { examine } from '../../server/doctor/doctor.ts'
import { reportJson, reportText } from '../../server/doctor/report.ts'
import { PASSWORD, type SeededFault } from './seeded-fault.ts'
import { testScope } from './test-scope.ts'

/** What the set-ups of these tests hold that nobody may read. */
const SECRETS = [PASSWORD, encodeURIComponent(PASSWORD), 'canary', 'of the owner']
const EXIT_CODES = { note: 0, warning: 1, failed: 2 } as const

/** One test each: the fault is named by its check, with its remedy, and nothing else is accused. */
export function testFaults(faults: readonly SeededFault[]): void {
  for (const { title, id, status, remedy, also = [], arrange } of faults) {
    test(`${title}: ${id} (${status})`, async () => {
      const { env, now } = await arrange(testScope())
      const began = performance.now()
      const report = await examine(env, now)
      expect(performance.now() - began).toBeLessThan(15_000)
      const found = report.checks.filter((check) => check.id === id && check.status === status)
      expect(found, reportText(report)).not.toEqual([])
      expect(found.map((check) => check.remedy ?? '').join('\n')).toMatch(remedy)
      expect(report.exitCode).toBe(EXIT_CODES[status])
      const accused = status === 'note' ? [] : [id, ...also].sort()
      expect(troubled(report).sort(), reportText(report)).toEqual(accused)
      holdsNoSecret(report)
    })
  }
}

export function holdsNoSecret(report: Report): void {
  const printed = reportText(report) + reportJson(report)
  for (const secret of SECRETS) expect(printed).not.toContain(secret)
  const urls = printed.match(/redis.?:\/\/[^\s"]*@/g) ?? []
  expect(urls.filter((url) => url !== 'redis://:PASSWORD@')).toEqual([])
}

/** Checks that failed or warn. */
export function troubled({ checks }: Report): string[] {
  const found = checks.filter(({ status }) => status === 'failed' || status === 'warning')
  return [...new Set(found.map(({ id }) => id))]
}
