import type { Report, VariantReport } from './report.ts'
import { OURS } from './report.ts'
import type { Metric, Scenario } from './scenario.ts'
import type { Ratio, Summary } from './statistics.ts'

/** The report as text: for each variant a table of medians (least to most), with ratios beside. */
export function renderReport(scenario: Scenario, report: Report): string {
  const { machine } = report
  const lines = [
    `${scenario.name}: ${scenario.summary}`,
    `${report.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Linux ${machine.kernel}, node ${machine.node}, redis ${machine.redis}, nginx ${machine.nginx}, commit ${machine.commit}`,
    Object.entries(report.options)
      .flatMap(([name, value]) => (value === '' ? [] : [`${name} ${value}`]))
      .join(', '),
    ...Object.entries(report.contenders).map(([name, title]) => `${name}: ${title}`),
    'Medians of the turns (least to most); × is the ratio to Roomwire, more is better for Roomwire.',
  ]
  for (const variant of report.variants) {
    lines.push('', variant.variant, ...tableOf(scenario.metrics, variant))
    for (const { contender, notes } of variant.contenders) {
      for (const note of notes) lines.push(`  ${contender}: ${note}`)
    }
  }
  if (report.claims.length > 0) lines.push('', 'What is promised', ...claimLines(report))
  return `${lines.join('\n')}\n`
}

/** A column for each contender, a row for each metric. */
function tableOf(metrics: readonly Metric[], { contenders }: VariantReport): string[] {
  const shown = metrics.filter(({ name }) => contenders.some(({ figures }) => name in figures))
  const header = ['', ...contenders.map(({ contender }) => contender)]
  const rows = shown.map((metric) => [
    metric.unit === '' ? metric.title : `${metric.title}, ${metric.unit}`,
    ...contenders.map(({ contender, figures, ratios }) =>
      cell(metric, figures[metric.name], contender === OURS ? undefined : ratios[metric.name]),
    ),
  ])
  return aligned([header, ...rows])
}

function cell({ digits = 1 }: Metric, summary?: Summary, ratio?: Ratio): string {
  if (summary === undefined) return '–'
  const { median, min, max } = summary
  const spread = min === max ? '' : ` (${min.toFixed(digits)}–${max.toFixed(digits)})`
  const times = ratio === undefined ? '' : ` ×${ratio.ratio.toFixed(2)}`
  return `${median.toFixed(digits)}${spread}${times}`
}

function claimLines({ claims }: Report): string[] {
  return aligned(
    claims.map(({ text, measured, atLeast, atMost, aim, holds }) => [
      holds === undefined ? 'not measured' : holds ? 'holds' : 'FAILS',
      text,
      measured === undefined ? '' : String(Number(measured.toPrecision(4))),
      [
        atLeast === undefined ? '' : `≥ ${atLeast}`,
        atMost === undefined ? '' : `≤ ${atMost}`,
        aim === undefined ? '' : `aim ${aim}`,
      ]
        .filter((each) => each !== '')
        .join(', '),
    ]),
  )
}

/** Columns padded to their widest cell. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, text] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, text.length)
    }
  }
  return rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
