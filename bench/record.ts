import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = fileURLToPath(new URL('RESULTS.md', import.meta.url))

/**
 * Puts a rendered report into RESULTS.md, in place of the last one of the same command.
 *
 * @param command the scenario and its options, as they were given
 */
export function recordResult(command: string, rendered: string): void {
  writeFileSync(path, withSection(readFileSync(path, 'utf8'), command, rendered))
}

/** @param rendered text that is kept as it is, in a code block */
export function withSection(document: string, command: string, rendered: string): string {
  const heading = `## ${command}\n`
  const section = `${heading}\n\`\`\`text\n${rendered.trimEnd()}\n\`\`\`\n`
  const start = document.indexOf(`\n${heading}`)
  if (start < 0) return `${document.trimEnd()}\n\n${section}`
  const next = document.indexOf('\n## ', start + 1)
  const rest = next < 0 ? '' : document.slice(next)
  return `${document.slice(0, start + 1)}${section}${rest}`
}
