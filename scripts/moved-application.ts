import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../examples/moved-application/', import.meta.url))
const page = new URL('../docs/MIGRATION.md', import.meta.url)

/** docs/MIGRATION.md with the present difference between the example's two files. */
export function migrationPage(): string {
  const { stdout } = spawnSync('diff', ['-U', '100', 'before.ts', 'after.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const lines = stdout.trimEnd().split('\n').slice(3) // file names and their times
  const difference = lines.map((line) => line.trimEnd()).join('\n')
  return readFileSync(page, 'utf8').replace(
    /```diff\n[\s\S]*?```/,
    () => `\`\`\`diff\n${difference}\n\`\`\``,
  )
}
