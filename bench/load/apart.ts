import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'

/**
 * Gives a load process the last processor, before everybody else there, so that it reads what arrives when
 * it arrives, as on a machine of its own. Left to itself the kernel puts it on the processor of the server
 * that wakes it, behind that server, also where the other one is idle: of 500 members most had their
 * message when the last of them had been written to (`perf sched timehist`), with one server and not with
 * another. What else runs is placed by the kernel.
 *
 * @returns why it could not: it takes a second processor, and the right to real-time priority
 */
export function setApart(pid: number): string | undefined {
  const last = cpus().length - 1
  if (last === 0) return 'the load has no processor of its own: there is one'
  try {
    execFileSync('taskset', ['--pid', '--cpu-list', String(last), String(pid)], QUIET)
    execFileSync('chrt', ['--fifo', '--pid', '1', String(pid)], QUIET)
    return undefined
  } catch {
    return 'the load does not come first on its processor: real-time priority takes root'
  }
}

const QUIET = { stdio: 'ignore' } as const
