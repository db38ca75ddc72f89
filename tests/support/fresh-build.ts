import { execFile } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { repositoryRoot } from './gateway-process.ts'

/**
 * vitest's global setup: the gateway processes of the tests run `dist/`, which must not be older than
 * `server/`. Type errors are reported and do not stop a run here; `npm test` builds first, strictly.
 */
export async function setup(): Promise<void> {
  if (newest('dist/server', '.js') > newest('server', '.ts')) return
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']
  await promisify(execFile)(process.execPath, compiler, { cwd: repositoryRoot }).catch(
    (error: { stdout?: string }) => console.warn(`server/ does not compile:\n${error.stdout}`),
  )
}

/** When the newest file of a folder changed, in ms; 0 where there is none. */
function newest(folder: string, extension: string): number {
  const path = join(repositoryRoot, folder)
  const entries = existsSync(path) ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : []
  const files = entries.filter((name) => name.endsWith(extension))
  return Math.max(0, ...files.map((name) => statSync(join(path, name)).mtimeMs))
}
