import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Child, startChild } from './child.ts'
import type { Scope } from './scope.ts'

/** Debian's, which has python-socketio as a package; elsewhere the one in the PATH. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'

/** Runs a file of tests/support with python-socketio at hand. */
export function startPython(scope: Scope, file: string, ...args: string[]): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return startChild(scope, PYTHON, ['-u', path, ...args])
}
