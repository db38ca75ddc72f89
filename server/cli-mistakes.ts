import { nearest } from './option-nearest.ts'
import { optionNames } from './options.ts'

// What was given is not repeated, since it may be a secret in the wrong place; what it resembles is named.

export function unknownCommand(given: string, known: readonly string[]): string {
  return `unknown command${guess(nearest(given, known))}`
}

/** Of an unknown flag, a setting given as one, or a flag whose value is missing or too much. */
export function wrongFlags(
  argv: readonly string[],
  command: string,
  known: readonly string[],
): string {
  const given = argv.flatMap((arg) => /^--([^=]+)/.exec(arg)?.[1] ?? [])
  const unknown = given.find((flag) => !known.includes(flag))
  const all = known.map((flag) => `--${flag}`).join(', ')
  if (given.length > 0 && unknown === undefined) {
    return `an option of ${command} lacks its value, or has one that it does not take; it knows ${all}`
  }
  const name = unknown?.toUpperCase().replaceAll('-', '_')
  const setting = optionNames.find((option) => option === name)
  if (setting !== undefined) {
    return `settings come from the environment: ${setting}=…; ${command} knows ${all}`
  }
  const meant = unknown === undefined ? undefined : nearest(unknown, known)
  return `unknown option${guess(meant && `--${meant}`)}; ${command} knows ${all}`
}

function guess(meant: string | undefined): string {
  return meant === undefined ? '' : `, did you mean ${meant}?`
}
