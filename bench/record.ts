import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = fileURLToPath(new URL('RESULTS.md', import.meta.url))

/** Puts a scenario's rendered report into RESULTS.md, in place of its last one. */
export function recordResult(scenario: string, rendered: string): void {
  writeFileSync(path, withSection(readFileSync(path, 'utf8'), scenario, rendered))
}

/** @param rendered text that is kept as it is, in a code block */
export function withSection(document: string, scenario: string, rendered: string): string {
  const heading = `## ${scenario}\n`
  const section = `${heading}\n\`\`\`text\n${rendered.trimEnd()}\n\`\`\`\n`
  const start = document.indexOf(`\n${heading}`)
  if (start < 0) return `${document.trimEnd()}\n\n${section}`
  const next = document.indexOf('\n## ', start + 1)
  const rest = next < 0 ? '' : document.slice(next)
  return `${document.slice(0, start + 1)}${section}${rest}`
}
