import { type Option, optionGroups } from '../server/options.ts'

const INTRODUCTION = `# Configuration

<!-- Generated from server/options.ts by "npm run docs". -->

Roomwire is configured by environment variables, read once at the start. An empty value counts as unset. Every problem is reported at once, each with its variable and what would be right, and the process exits with code 78. Problems and warnings never contain a value. \`roomwire config\` prints what would be used, without secrets; \`roomwire --help\` prints this list. A variable that looks like a misspelt option gets a warning.

Durations are seconds, or a number with \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`; sizes are bytes, or a number with \`kB\`, \`MB\`, \`KiB\` or \`MiB\`; switches are \`true\`, \`yes\`, \`on\`, \`1\` or \`false\`, \`no\`, \`off\`, \`0\`.
`

const REDIS = `## Two Redis roles

\`WEBSOCKET_REDIS_URL\` carries the rooms and must not evict (\`maxmemory-policy noeviction\`). \`REDIS_URL\` carries the cache and may evict (\`allkeys-lru\`). If only one of them is set, both roles use it, with the user, password and TLS files given for it. Credentials never travel to another host: \`REDIS_PASSWORD\` is not used for \`WEBSOCKET_REDIS_URL\`. If none is set, everything lives in memory, for a single instance.

## Passwords

Any password works. In order:

1. \`REDIS_PASSWORD_FILE\`: the content of the file as it stands, without one trailing newline. **Recommended**: nothing in it can be misunderstood.
2. \`REDIS_PASSWORD\`: the value as it stands.
3. The user and password in \`REDIS_URL\`. (\`WEBSOCKET_REDIS_*\` alike.)

The URL is \`redis://[user:password@]host[:port][/database]\`, or \`rediss://\` for TLS. Its *last* \`@\` ends the password and the *first* \`:\` before it begins it, so that a password can hold \`@ : / # ? + =\` and anything else as it is: \`redis://:80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA=@redis:6379/0\` works. A password without a user needs its colon.

A user or password is percent-decoded if every \`%\` in it begins a sequence that decodes to UTF-8, else it is taken as it stands. So \`p%40ss\` is \`p@ss\`, and \`100%\` is \`100%\`. A raw password that happens to look encoded, such as \`a%41b\`, cannot be told from an encoded one: whenever a password was decoded, the start says so (as information where it is exactly what percent-encoding yields, else as a warning), and a refusal by Redis repeats it. Use the file then.

Query parameters of the URL are ignored, with a warning.
`

/** `docs/CONFIGURATION.md`. */
export function configurationPage(): string {
  const sections = [INTRODUCTION]
  for (const { group, rows } of optionGroups()) {
    sections.push(
      `## ${group}\n\n| variable | default | value | |\n|---|---|---|---|\n${rows.map(row).join('\n')}\n`,
    )
  }
  return [...sections, REDIS].join('\n')
}

/** `env/roomwire.env.example`: every option with its default, commented out. */
export function exampleEnvironment(): string {
  const lines = [
    '# Generated from server/options.ts by "npm run docs"; docs/CONFIGURATION.md explains each option.',
    '# For `docker run --env-file` and systemd: no quotes, and nothing after a value.',
  ]
  for (const { group, rows } of optionGroups()) {
    lines.push('', `## ${group}`)
    for (const [name, option] of rows) {
      lines.push(`# ${option.description}`, `#${name}=${option.default ?? ''}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function row([name, option]: [string, Option<unknown>]): string {
  const cells = [
    `\`${name}\``,
    option.default === undefined ? '' : `\`${option.default}\``,
    option.type.expects,
    option.description,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
