import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { alertRules, dashboardExpressions, recordingRules } from '../support/alert-rules.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

const promtool = (...args: string[]) =>
  promisify(execFile)('promtool', args, { cwd: repositoryRoot })
const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const testFiles = readdirSync(join(repositoryRoot, 'tests/prometheus')).map(
  (name) => `tests/prometheus/${name}`,
)

test('promtool: prometheus.yml and its rules are well formed', async () => {
  await promtool('check', 'config', 'deploy/prometheus/prometheus.yml')
})

test('promtool: every alert fires when it should, not when it should not, and clears', async () => {
  await promtool('test', 'rules', ...testFiles)
})

test('every alert has such a test: one time at which it fires, one at which it does not', () => {
  interface RuleTest {
    alert_rule_test?: { alertname: string; exp_alerts: unknown[] }[]
    promql_expr_test?: { expr: string; exp_samples: unknown[] }[]
  }
  const fires = new Set<string>()
  const silent = new Set<string>()
  for (const file of testFiles) {
    for (const each of (parse(read(file)) as { tests: RuleTest[] }).tests) {
      for (const { alertname, exp_alerts: expected } of each.alert_rule_test ?? []) {
        ;(expected.length > 0 ? fires : silent).add(alertname)
      }
      for (const { expr, exp_samples: expected } of each.promql_expr_test ?? []) {
        const names = /alertname=~?"([^"]+)"/.exec(expr)?.[1]?.split('|') ?? []
        for (const name of names) (expected.length > 0 ? fires : silent).add(name)
      }
    }
  }
  const names = alertRules.map(({ alert }) => alert)
  expect(names.length).toBeGreaterThan(20)
  expect([...fires].sort()).toEqual([...names].sort())
  expect(names.filter((name) => !silent.has(name))).toEqual([])
})

test('every alert says how bad it is and what to do, in a section under its own name', () => {
  const headings = [...read('docs/OPERATIONS.md').matchAll(/^#+ (.+)$/gm)].map(([, text]) => text)
  for (const { alert, labels, annotations } of alertRules) {
    expect(labels.severity, alert).toMatch(/^(critical|warning)$/)
    expect(annotations.summary, alert).not.toBe('')
    expect(annotations.runbook).toBe(`docs/OPERATIONS.md#${alert.toLowerCase()}`)
    expect(headings).toContain(alert)
  }
})

test('every link within docs/OPERATIONS.md leads somewhere', () => {
  const text = read('docs/OPERATIONS.md')
  // As GitHub makes them: lower case, no punctuation, hyphens for spaces.
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor)
  expect(links.length).toBeGreaterThan(10)
  expect(links.filter((anchor) => !anchors.includes(String(anchor)))).toEqual([])
})

test('names are given once', () => {
  const names = [
    ...alertRules.map(({ alert }) => alert),
    ...recordingRules.map(({ record }) => record),
  ]
  expect(new Set(names).size).toBe(names.length)
  expect(dashboardExpressions().length).toBeGreaterThan(30)
})
