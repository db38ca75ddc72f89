import { execFile } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { repositoryRoot } from './gateway-process.ts'

/**
 * vitest's global setup: the processes of the tests run `dist/`, which must not be older than `server/`
 * and `client/`. Type errors are reported and do not stop a run here; `npm test` builds first, strictly.
 */
export async function setup(): Promise<void> {
  await build('server', 'tsconfig.build.json')
  await build('client', 'tsconfig.client.json')
}

async function build(folder: string, project: string): Promise<void> {
  if (newest(`dist/${folder}`, '.js') > newest(folder, '.ts')) return
  const compiler = ['node_modules/typescript/bin/tsc', '-p', project]
  await promisify(execFile)(process.execPath, compiler, { cwd: repositoryRoot }).catch(
    (error: { stdout?: string }) => console.warn(`${folder}/ does not compile:\n${error.stdout}`),
  )
}

/** When the newest file of a folder changed, in ms; 0 where there is none. */
function newest(folder: string, extension: string): number {
  const path = join(repositoryRoot, folder)
  const entries = existsSync(path) ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : []
  const files = entries.filter((name) => name.endsWith(extension))
  return Math.max(0, ...files.map((name) => statSync(join(path, name)).mtimeMs))
}
