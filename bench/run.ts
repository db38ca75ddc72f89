import { parseArgs } from 'node:util'
import type { Contender } from './contenders/contender.ts'
import { nchan } from './contenders/nchan.ts'
import { roomwire } from './contenders/roomwire.ts'
import {
  bareWs,
  sharded,
  stock,
  stockCaught,
  stockIdle,
  streams,
  streamsRecovery,
} from './contenders/socket-io.ts'
import { recordResult } from './record.ts'
import { createReport, type Report } from './report.ts'
import type { Aof, Scenario, Settings } from './scenario.ts'
import { cache } from './scenarios/cache.ts'
import { connect } from './scenarios/connect.ts'
import { fanout } from './scenarios/fanout.ts'
import { manyRooms } from './scenarios/many-rooms.ts'
import { memory } from './scenarios/memory.ts'
import { positions } from './scenarios/positions.ts'
import { publish } from './scenarios/publish.ts'
import { saturation } from './scenarios/saturation.ts'
import { storm } from './scenarios/storm.ts'
import { renderReport } from './table.ts'
import { runTurns } from './turns.ts'

const scenarios: readonly Scenario[] = [
  ...[fanout, publish, connect, memory, storm, manyRooms, positions, saturation, cache],
]
const everybody = [
  ...[stock, stockCaught, stockIdle, sharded, streams, streamsRecovery, nchan, bareWs],
]
const common = {
  turns: { default: '5', description: 'turns of each contender' },
  seconds: { default: '8', description: 'length of the measured window' },
  rivals: { default: '', description: 'names, separated by commas; none for Roomwire alone' },
  aof: { default: 'everysec', description: 'appendfsync of Redis: always, everysec or no file' },
}

function usage(): string {
  const lines = ['npm run bench -- <scenario>|all [--json] [--record] [options]', '']
  const table = (options: Scenario['options']) => {
    for (const [name, option] of Object.entries(options)) {
      const fallback = option.default === '' ? '' : ` (${option.default})`
      lines.push(`    --${name.padEnd(14)}${option.description}${fallback}`)
    }
  }
  lines.push('  all scenarios')
  table(common)
  for (const { name, summary, options, rivals } of scenarios) {
    lines.push(`  ${name}: ${summary}`)
    if (rivals.length > 0) lines.push(`    rivals: ${rivals.map((each) => each.name).join(', ')}`)
    table(options)
  }
  return `${lines.join('\n')}\n`
}

function readSettings(values: Record<string, string>): Settings {
  const text = (name: string) => values[name] ?? ''
  const numbers = (name: string) =>
    text(name)
      .split(',')
      .map((each) => {
        const value = Number(each)
        if (each !== '' && Number.isFinite(value) && value >= 0) return value
        throw new Error(`--${name} takes numbers, not ${text(name)}`)
      })
  const number = (name: string) => numbers(name)[0] ?? 0
  const aof = text('aof')
  if (!/^(always|everysec|no)$/.test(aof)) throw new Error(`--aof is always, everysec or no`)
  return {
    ...{ turns: number('turns'), seconds: number('seconds'), aof: aof as Aof },
    ...{ text, number, numbers },
  }
}

const say = (line: string) => void process.stderr.write(`${line}\n`)

function rivalsOf(scenario: Scenario, names: string): readonly Contender[] {
  if (names === '') return scenario.rivals
  if (names === 'none') return []
  return names.split(',').map((name) => {
    const rival = everybody.find((each) => each.name === name)
    if (rival === undefined) throw new Error(`--rivals knows no ${name}`)
    return rival
  })
}

async function runScenario(scenario: Scenario, args: readonly string[]): Promise<Report> {
  const table = { ...common, ...scenario.options }
  const { values } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(table).map(([option, { default: fallback }]) => [
        option,
        { type: 'string' as const, default: fallback },
      ]),
    ),
  })
  const options = values as Record<string, string>
  const settings = readSettings(options)
  const contenders = [roomwire, ...rivalsOf(scenario, options['rivals'] ?? '')].filter((each) => {
    const reason = each.unavailable()
    if (reason === undefined) return true
    if (each === roomwire) throw new Error(reason)
    say(`${each.name} is left out: ${reason}`)
    return false
  })
  const runs = await runTurns(scenario, contenders, settings, say)
  return createReport(scenario, settings, options, runs)
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  const chosen = scenarios.filter((each) => each.name === name || name === 'all')
  if (chosen.length === 0) {
    process.stdout.write(usage())
    return name === undefined || /^(-h|--help|help)$/.test(name) ? 0 : 2
  }
  const flags = new Set(['--json', '--record'])
  const args = rest.filter((each) => !flags.has(each))
  for (const scenario of chosen) {
    const report = await runScenario(scenario, args)
    const rendered = renderReport(scenario, report)
    if (rest.includes('--record')) recordResult([scenario.name, ...args].join(' '), rendered)
    process.stdout.write(rest.includes('--json') ? `${JSON.stringify(report)}\n` : rendered)
  }
  return 0
}

process.exitCode = await main(process.argv.slice(2))
