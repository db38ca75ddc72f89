import { createRequire } from 'node:module'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { printAcl } from './cli-acl.ts'
import { shownConfig } from './cli-config.ts'
import { unknownCommand, wrongFlags } from './cli-mistakes.ts'
import { makeToken, TokenProblem, tokenFlags } from './cli-token.ts'
import { type Config, ConfigError, type ConfigProblem, readConfig } from './config.ts'
import { checkPassword } from './doctor/check-password.ts'
import { examine } from './doctor/doctor.ts'
import type { Input } from './doctor/password-input.ts'
import { reportJson, reportText } from './doctor/report.ts'
import type { Environment } from './option-reader.ts'
import { findStrangers } from './option-typos.ts'
import { optionGroups } from './options.ts'
import { API_SCOPES, createApiKey } from './session/api-keys.ts'

/** `EX_USAGE` and `EX_CONFIG` in the spirit of sysexits.h; 2 is what shells use for the former. */
const EXIT_USAGE = 2
export const EXIT_CONFIG = 78

export interface CliIo {
  env: Environment
  stdin: Input
  stdout: Output
  stderr: Output
}

interface Output {
  write(text: string): unknown
}

type Flags = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

interface Command {
  description: string
  /** Flags of its own, with what each means, for `--help`. */
  flags?: Readonly<
    Record<string, NonNullable<ParseArgsConfig['options']>[string] & { description: string }>
  >
  run(io: CliIo, flags: Flags): number | 'start' | Promise<number | 'start'>
}

const commands: Readonly<Record<string, Command>> = {
  start: {
    description: 'Runs the gateway (the default).',
    run: () => 'start',
  },
  config: {
    description: 'Prints the configuration as it would be used, without secrets.',
    run: printConfig,
  },
  token: {
    description: 'Makes a token for tests, by the JWT_ settings.',
    flags: tokenFlags,
    run: printToken,
  },
  doctor: {
    description: 'Examines settings, Redis and this machine; says what is wrong and what to do.',
    flags: { json: { type: 'boolean', description: 'For scripts.' } },
    async run({ env, stdout }, { json }) {
      const report = await examine(env)
      stdout.write(json ? reportJson(report) : reportText(report))
      return report.exitCode
    },
  },
  'check-password': {
    description: 'Reads a password from standard input; says where it is safe as it stands.',
    flags: {
      show: { type: 'boolean', description: 'Its percent-encoded form too.' },
      prove: { type: 'boolean', description: 'Logs in to a throw-away redis-server with it.' },
      json: { type: 'boolean', description: 'For scripts.' },
    },
    async run(io, { show, prove, json }) {
      const report = await checkPassword(io, { show: show === true, prove: prove === true })
      if (report === undefined) return refuse('no password was given', io)
      io.stdout.write(json ? reportJson(report) : reportText(report))
      return report.exitCode
    },
  },
  'api-key': {
    description:
      'Prints a new key for the server API, and the line of API_KEYS_FILE that admits it.',
    flags: {
      name: { type: 'string', description: 'Who will use it.' },
      scopes: {
        type: 'string',
        description: `What it is good for, separated by commas: ${API_SCOPES.join(', ')}. All unless given.`,
      },
    },
    run: printApiKey,
  },
  acl: {
    description: 'Prints the Redis ACL rule that the configuration needs, and nothing more.',
    run: (io) => withConfig(io, (config) => printAcl(config, io)),
  },
}

/**
 * Runs one command line. Resolves to an exit code, or to 'start' where the process is to become a
 * gateway. Arguments are never repeated in messages: one may be a secret in the wrong place.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number | 'start'> {
  const name = argv.find((arg) => !arg.startsWith('-')) ?? 'start'
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  const flags = { ...command?.flags, ...COMMON_FLAGS }
  let parsed: { values: Flags; positionals: string[] }
  try {
    parsed = parseArgs({ args: [...argv], allowPositionals: true, options: flags })
  } catch {
    if (command === undefined) return refuse(unknownCommand(name, Object.keys(commands)), io)
    return refuse(wrongFlags(argv, name, Object.keys(flags)), io)
  }
  const { values, positionals } = parsed
  if (values['version']) return print(`${version()}\n`, io)
  if (values['help'] || name === 'help') return print(helpText(), io)
  if (command === undefined) return refuse(unknownCommand(name, Object.keys(commands)), io)
  if (positionals.length > 1) return refuse(`${name} takes no arguments`, io)
  return command.run(io, values)
}

const COMMON_FLAGS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

/** Usage and the option table, as `--help` prints them. */
function helpText(): string {
  const lines = ['Usage: roomwire [command]', '', 'Commands']
  for (const [name, { description, flags = {} }] of Object.entries(commands)) {
    lines.push(`  ${name.padEnd(16)}${description}`)
    for (const [flag, { description: meaning }] of Object.entries(flags)) {
      lines.push(`      --${flag.padEnd(10)}${meaning}`)
    }
  }
  lines.push('', 'Flags', '  -h, --help     Prints this.', '  -v, --version  Prints the version.')
  lines.push(
    '',
    'Configuration comes from the environment; an empty value counts as unset. Times are a number and',
    'a unit (ms, s, m, h, d), sizes a number of bytes or with kb, mb. Malformed settings end the',
    `process with exit code ${EXIT_CONFIG}, after naming every one of them.`,
  )
  for (const { group, rows } of optionGroups()) {
    lines.push('', group)
    for (const [name, option] of rows) {
      const fallback = option.default === undefined ? '' : ` [${option.default}]`
      lines.push(`  ${name}: ${option.type.expects}${fallback}`)
      lines.push(`      ${option.description}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function printConfig(io: CliIo): number {
  return withConfig(io, (config) => {
    print(`${JSON.stringify(shownConfig(config), undefined, 2)}\n`, io)
  })
}

/** 0, or `EXIT_CONFIG` with a line for each problem of the configuration. Warnings come in both cases. */
function withConfig(io: CliIo, use: (config: Config) => void): number {
  try {
    const { config, warnings } = readConfig(io.env)
    for (const warning of warnings) io.stderr.write(warningLine(warning))
    use(config)
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    io.stderr.write(configErrorText(error))
    return EXIT_CONFIG
  }
}

function printApiKey(io: CliIo, { name, scopes }: Flags): number {
  try {
    const wanted = String(scopes ?? '')
      .split(',')
      .map((scope) => scope.trim())
    const { key, line } = createApiKey(
      String(name ?? ''),
      wanted.filter((scope) => scope !== ''),
    )
    return print(`key:  ${key}\nline: ${line}\n`, io)
  } catch (error) {
    io.stderr.write(`roomwire api-key: ${(error as Error).message}\n`)
    return EXIT_USAGE
  }
}

async function printToken(io: CliIo, flags: Flags): Promise<number> {
  const text = (name: string) => {
    const value = flags[name]
    return typeof value === 'string' ? value : undefined
  }
  const [user, name, rooms] = ['user', 'name', 'rooms'].map(text)
  const [expires, id, keyFile] = ['expires', 'id', 'key-file'].map(text)
  try {
    return print(`${await makeToken(io.env, { user, name, rooms, expires, id, keyFile })}\n`, io)
  } catch (error) {
    if (!(error instanceof TokenProblem)) throw error
    io.stderr.write(`roomwire: ${error.message}\n`)
    // What keeps a token from being made may be misspelt.
    for (const stranger of findStrangers(io.env)) {
      io.stderr.write(warningLine({ level: 'warn', ...stranger }))
    }
    return EXIT_USAGE
  }
}

/** One line for each problem, then for what may be its cause. */
export function configErrorText({ problems, warnings }: ConfigError): string {
  return [...problems.map((problem) => ({ level: 'error', ...problem })), ...warnings]
    .map(warningLine)
    .join('')
}

function warningLine({ level, variable, message }: ConfigProblem & { level: string }): string {
  return `${level}: ${variable} ${message}\n`
}

function print(text: string, io: CliIo): number {
  io.stdout.write(text)
  return 0
}

function refuse(reason: string, io: CliIo): number {
  const names = Object.keys(commands).join(', ')
  io.stderr.write(`roomwire: ${reason}; the commands are ${names} (see roomwire --help)\n`)
  return EXIT_USAGE
}

/** Of the package itself, wherever this file was built to. */
function version(): string {
  return createRequire(import.meta.url)('roomwire/package.json').version
}
