import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Linux reports CPU in ticks of 10 ms to every program, whatever the kernel's own timer does. */
const MICROS_PER_TICK = 10_000

/**
 * CPU that a process used so far, all its threads together, user and system, in µs; undefined when
 * it is gone. From the operating system, so that nobody measures himself.
 */
export function cpuMicros(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`)
  return stat === undefined ? undefined : cpuOfStat(stat)
}

/** @param stat the line in /proc/<pid>/stat, whose second field may hold spaces and parentheses */
export function cpuOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK
}

/** Resident bytes; undefined when the process is gone. `smaps_rollup` counts exactly, `statm` does not. */
export function residentBytes(pid: number): number | undefined {
  const exact = read(`/proc/${pid}/smaps_rollup`) ?? read(`/proc/${pid}/status`)
  const kilobytes = /^(?:Vm)?Rss:\s+(\d+) kB$/im.exec(exact ?? '')?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}

/** The process and all its descendants: servers like nginx work in children. */
export function processTree(pid: number): number[] {
  let threads: string[]
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return [pid] // gone
  }
  const children = threads.flatMap((thread) =>
    (read(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter((each) => each !== ''),
  )
  return [pid, ...children.flatMap((child) => processTree(Number(child)))]
}

/** CPU that the whole machine used so far, in µs, time stolen by its host included. */
export function machineMicros(): number {
  return busyOfStat(read('/proc/stat') ?? '')
}

/** @param stat /proc/stat, whose first line sums all CPUs up */
export function busyOfStat(stat: string): number {
  const [user, nice, system, , , irq, softirq, steal] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number)
  const ticks = [user, nice, system, irq, softirq, steal].map((each) => each ?? 0)
  return ticks.reduce((sum, each) => sum + each, 0) * MICROS_PER_TICK
}

export const cores = availableParallelism()

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
