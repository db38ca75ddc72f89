import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { cores } from './process-usage.ts'

export interface Machine {
  cpu: string
  cores: number
  memoryGb: number
  kernel: string
  node: string
  redis: string
  nginx: string
  /** Of the sources that were measured. */
  commit: string
  /** Over the last minute, at the end of the run. */
  loadAverage: number
}

export function readMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: /v=(\S+)/.exec(outputOf('redis-server', '--version'))?.[1] ?? 'none',
    nginx: /nginx\/(\S+)/.exec(outputOf('nginx', '-v'))?.[1] ?? 'none',
    commit: outputOf('git', 'describe', '--always', '--dirty').trim() || 'unknown',
    loadAverage: loadavg()[0] ?? 0,
  }
}

/** nginx tells its version on stderr. */
function outputOf(command: string, ...args: string[]): string {
  try {
    return execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' })
  } catch {
    return ''
  }
}
