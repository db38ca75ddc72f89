import { type Option, type OptionName, type OptionValue, options } from './options.ts'

/** Something that keeps the gateway from starting. Never holds a value, which may be a secret. */
export interface ConfigProblem {
  variable: string
  /** Completes the sentence that begins with the variable, and says what would be right. */
  message: string
}

/** Something the operator should know; the gateway starts. Never holds a value either. */
export interface ConfigWarning extends ConfigProblem {
  /** `info` where it is most likely meant as it is. */
  level: 'warn' | 'info'
}

/** Every problem of a configuration at once, and what it would be warned of besides. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]
  /** A misspelt variable may be the cause of a problem. */
  readonly warnings: readonly ConfigWarning[]

  constructor(problems: readonly ConfigProblem[], warnings: readonly ConfigWarning[] = []) {
    super(problems.map(({ variable, message }) => `${variable} ${message}`).join('\n'))
    this.problems = problems
    this.warnings = warnings
  }
}

export type Environment = Readonly<Record<string, string | undefined>>
export type ReadFile = (path: string) => Uint8Array

/** Reads options by the table and collects what is wrong with them. */
export interface OptionReader {
  /** False for an empty value. */
  isSet(name: OptionName): boolean
  /** The default where the value is unset or wrong; the latter becomes a problem. */
  value<Name extends OptionName>(name: Name): OptionValue<Name>
  /** Content of the file that an option names; undefined where it is unset or unreadable (a problem). */
  file(name: OptionName): Uint8Array | undefined
  problem(variable: string, message: string): void
  warn(variable: string, message: string, level?: ConfigWarning['level']): void
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigWarning[]
}

export function createOptionReader(env: Environment, readFile: ReadFile): OptionReader {
  const problems: ConfigProblem[] = []
  const warnings: ConfigWarning[] = []

  const text = (name: OptionName): string | undefined => {
    const raw = env[name]
    return (options[name].type.literal ? raw : raw?.trim()) || undefined
  }

  const reader: OptionReader = {
    problems,
    warnings,
    isSet: (name) => text(name) !== undefined,
    value<Name extends OptionName>(name: Name) {
      const option = options[name] as Option<OptionValue<Name>>
      const given = text(name)
      const parsed = given === undefined ? undefined : option.type.parse(given)
      if (given !== undefined && parsed === undefined) {
        const { expects, writtenAs } = option.type
        reader.problem(name, `must be ${expects}${writtenAs ? ` (${writtenAs})` : ''}`)
      }
      if (parsed !== undefined) return parsed
      return (
        option.default === undefined ? undefined : option.type.parse(option.default)
      ) as OptionValue<Name>
    },
    file(name) {
      const path = text(name)
      if (path === undefined) return undefined
      try {
        return readFile(path)
      } catch (error) {
        // Not the path: where someone wrote the password in its place, it would be shown.
        const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
        reader.problem(name, `must be ${options[name].type.expects} (${code})`)
        return undefined
      }
    },
    problem: (variable, message) => problems.push({ variable, message }),
    warn: (variable, message, level = 'warn') => warnings.push({ variable, message, level }),
  }
  return reader
}
