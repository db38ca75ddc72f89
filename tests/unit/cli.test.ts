import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runCli } from '../../server/cli.ts'

async function run(argv: string[], env: Record<string, string> = {}) {
  let [stdout, stderr] = ['', '']
  const result = await runCli(argv, {
    env,
    stdin: Readable.from([]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { result, stdout, stderr }
}

test('no command, or start: the process becomes a gateway', async () => {
  expect(await run([])).toEqual({ result: 'start', stdout: '', stderr: '' })
  expect(await run(['start'])).toEqual({ result: 'start', stdout: '', stderr: '' })
})

test('--help prints usage and the option table', async () => {
  const { result, stdout } = await run(['--help'])
  expect(result).toBe(0)
  expect(stdout).toMatchSnapshot()
  expect(await run(['help'])).toEqual(await run(['config', '-h']))
})

test('--version prints the version of the package', async () => {
  const { result, stdout } = await run(['--version'])
  expect({ result, stdout }).toEqual({
    result: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  })
})

test.each([
  ['an unknown command', ['hunter2'], 'unknown command'],
  ['a name that every object has', ['toString'], 'unknown command'],
  ['an unknown option', ['--hunter2'], 'unknown option'],
  ['an argument too many', ['start', 'hunter2'], 'start takes no arguments'],
])('%s: exit code 2, and the argument is not repeated', async (_, argv, reason) => {
  const { result, stdout, stderr } = await run(argv)
  expect(result).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain(reason)
  expect(stderr).toContain('start, config')
  expect(stderr).not.toContain('hunter2')
})

test.each([
  [['doctr'], 'unknown command, did you mean doctor?'],
  [['doctor', '--jsno'], 'unknown option, did you mean --json?; doctor knows --json, --help'],
  [['doctor', '--hunter2=x'], 'unknown option; doctor knows --json'],
  [['doctor', '-x'], 'unknown option; doctor knows --json'],
  [['token', '--user'], 'an option of token lacks its value'],
  [['doctor', '--json=hunter2'], 'an option of doctor lacks its value, or has one'],
  [['toString', '--hunter2'], 'unknown command;'],
  [['--port=9000'], 'settings come from the environment: PORT=…'],
  [['start', '--redis-url', 'hunter2'], 'settings come from the environment: REDIS_URL=…'],
  [['token', '--xx'], 'unknown option; token knows --user'],
])('%j: %s', async (argv, words) => {
  const { result, stderr } = await run(argv)
  expect(result).toBe(2)
  expect(stderr).toContain(words)
  expect(stderr).not.toContain('hunter2')
})

test('a misspelt variable is named beside the error that it causes', async () => {
  const { result, stderr } = await run(['config'], {
    AUTH_MODE: 'jwt',
    JWT_SECRT_FILE: '/run/secrets/hunter2',
  })
  expect(result).toBe(78)
  expect(stderr).toMatch(/^error: /)
  expect(stderr).toContain('warn: JWT_SECRT_FILE is not an option; did you mean JWT_SECRET_FILE?')
  expect(stderr).not.toContain('hunter2')
})

test('a misspelt variable is named beside the reason why there is no token', async () => {
  const { result, stderr } = await run(['token', '--user', 'ann'], { JWT_SECRT_FILE: 'hunter2' })
  expect(result).toBe(2)
  expect(stderr).toContain('set JWT_SECRET_FILE')
  expect(stderr).toContain('warn: JWT_SECRT_FILE is not an option; did you mean JWT_SECRET_FILE?')
  expect(stderr).not.toContain('hunter2')
})

test.each(['config', 'acl'])(
  '%s tells what it is warned of, also without an error',
  async (command) => {
    const { result, stdout, stderr } = await run([command], { REDIS_HOST: 'hunter2' })
    expect(result).toBe(0)
    expect(stderr).toContain('warn: REDIS_HOST is not an option; use REDIS_URL\n')
    expect(stdout).not.toBe('')
    expect(stdout + stderr).not.toContain('hunter2')
  },
)

describe('config', () => {
  test('prints what would be used, without secrets; warnings go to stderr', async () => {
    const { result, stdout, stderr } = await run(['config'], {
      INSTANCE_ID: 'one',
      REDIS_URL: 'rediss://gw:hunter2%41@cache/1',
      WEBSOCKET_REDIS_URL: 'redis://hunter2@rooms:6380',
    })
    expect(result).toBe(0)
    expect(stdout).not.toContain('hunter2')
    expect(stderr).not.toContain('hunter2')
    expect(stdout).toMatchSnapshot()
    expect(stderr).toMatchSnapshot()
  })

  test('never prints the operator token', async () => {
    const { stdout, stderr } = await run(['config'], { OPERATOR_TOKEN: 'hunter2' })
    expect(stdout).toContain('"operatorToken": "[redacted]"')
    expect(stdout + stderr).not.toContain('hunter2')
  })

  test('never prints whom it asks who may do what', async () => {
    const { stdout, stderr } = await run(['config'], {
      AUTHORIZE_URL: 'https://application.example/may?key=hunter2',
    })
    expect(stdout).toContain('"authorizer": {')
    expect(stdout + stderr).not.toContain('hunter2')
  })

  test('never prints what the classifier is asked with', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'roomwire-key-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    await writeFile(join(dir, 'key'), 'hunter2\n')
    const { stdout, stderr } = await run(['config'], {
      CLASSIFIER: 'http',
      CLASSIFIER_URL: 'https://classifier.example/?key=hunter2',
      CLASSIFIER_API_KEY_FILE: join(dir, 'key'),
    })
    expect(stdout).toContain('"apiKey": "[redacted]"')
    expect(stdout + stderr).not.toContain('hunter2')
  })

  test('with problems: exit code 78 and one line for each', async () => {
    const { result, stdout, stderr } = await run(['config'], { PORT: 'x', REDIS_URL: 'hunter2' })
    expect(result).toBe(78)
    expect(stdout).toBe('')
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^error: REDIS_URL must start with redis:\/\//),
      'error: PORT must be a whole number from 0 to 65535',
    ])
  })
})
