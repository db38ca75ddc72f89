import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { repositoryRoot } from './gateway-process.ts'

export interface AlertRule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; runbook: string }
}

interface RecordingRule {
  record: string
  expr: string
}

const folder = join(repositoryRoot, 'deploy/prometheus/rules')

function everyRule(): (AlertRule | RecordingRule)[] {
  return readdirSync(folder).flatMap((file) => {
    const { groups } = parse(readFileSync(join(folder, file), 'utf8')) as {
      groups: { rules: (AlertRule | RecordingRule)[] }[]
    }
    return groups.flatMap(({ rules }) => rules)
  })
}

export const alertRules = everyRule().filter((rule) => 'alert' in rule)
export const recordingRules = everyRule().filter((rule) => 'record' in rule)

interface Panel {
  title: string
  targets?: { expr: string }[]
}

/** The dashboard's expressions, with what Grafana puts in place of its variables. */
export function dashboardExpressions(): { title: string; expr: string }[] {
  const path = join(repositoryRoot, 'deploy/grafana/dashboards/roomwire.json')
  const { panels } = JSON.parse(readFileSync(path, 'utf8')) as { panels: Panel[] }
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
    })),
  )
}

/** The metrics that an expression reads. */
export function metricsOf(expression: string): string[] {
  const withoutLabels = expression.replaceAll(/\{[^}]*\}/g, '')
  const names = withoutLabels.match(/\b(?:roomwire|redis|haproxy)[_:][\w:]+|\bup\b|\bALERTS\b/g)
  return [...new Set(names ?? [])]
}
