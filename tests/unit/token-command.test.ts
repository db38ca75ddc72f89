import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { runCli } from '../../server/cli.ts'
import { startInProcess } from '../support/in-process.ts'
import { createIssuer } from '../support/issuer.ts'
import { refusalOf, refusalOfRequest } from '../support/refusal.ts'
import { testScope } from '../support/test-scope.ts'

async function run(argv: string[], env: Record<string, string> = {}) {
  let [stdout, stderr] = ['', '']
  const result = await runCli(['token', ...argv], {
    env,
    stdin: Readable.from([]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { result, stdout: stdout.trim(), stderr }
}

test('roomwire token makes tokens that a gateway with the same settings takes', async () => {
  const scope = testScope()
  const issuer = await createIssuer(scope)
  const settings = { ...issuer.env, JWT_ISSUER: 'us', JWT_AUDIENCE: 'chat', JWT_USER_CLAIM: 'uid' }
  const { url } = await startInProcess(scope, settings)
  const flags = [
    '--user',
    'alice',
    '--name',
    'Alice',
    '--rooms',
    'lobby;user:{sub}',
    '--expires',
    '5m',
  ]
  const { result, stdout: token } = await run(flags, settings)
  expect(result).toBe(0)
  const join = (room: string) => refusalOfRequest(scope, url, { token }, ['room:join', { room }])
  expect(await join('user:alice')).toBe('ok')
  expect(await join('user:bob')).toBe('FORBIDDEN')
})

test.each(['RS256', 'ES256', 'EdDSA'] as const)('with a private key: %s', async (alg) => {
  const scope = testScope()
  const issuer = await createIssuer(scope, alg)
  const { url } = await startInProcess(scope, issuer.env)
  const file = `${issuer.env['JWT_PUBLIC_KEY_FILE']}.private`
  await writeFile(file, issuer.signingKey.export({ type: 'pkcs8', format: 'pem' }))
  const { stdout: token } = await run(['--user', 'alice', '--key-file', file])
  expect(await refusalOf(scope, url, { auth: { token } })).toBe('connected')
})

test('what is missing or wrong is named, and nothing is repeated', async () => {
  const scope = testScope()
  const { env } = await createIssuer(scope)
  const { publicKey } = generateKeyPairSync('ed25519')
  const file = `${env['JWT_SECRET_FILE']}.pem`
  await writeFile(file, publicKey.export({ type: 'spki', format: 'pem' }))
  const user = ['--user', 'hunter2']
  const cases: [string[], string][] = [
    [[], '--user is missing'],
    [user, 'set JWT_SECRET_FILE, or give --key-file'],
    [[...user, '--expires', 'hunter2'], '--expires must be a duration'],
    [[...user, '--key-file', file], '--key-file must be a private key'],
    [[...user, '--key-file', '/hunter2'], '--key-file must be a private key'],
  ]
  for (const [argv, reason] of cases) {
    const { result, stdout, stderr } = await run(argv)
    expect({ result, stdout, stderr }).toEqual({
      result: 2,
      stdout: '',
      stderr: expect.stringContaining(reason),
    })
    expect(stderr).not.toContain('hunter2')
  }
})

test('a secret that a gateway would refuse makes no token', async () => {
  const scope = testScope()
  const { env } = await createIssuer(scope)
  const { publicKey } = generateKeyPairSync('ed25519')
  const file = env['JWT_SECRET_FILE'] ?? ''
  await writeFile(file, publicKey.export({ type: 'spki', format: 'pem' }))
  const { result, stdout, stderr } = await run(['--user', 'alice'], env)
  expect({ result, stdout }).toEqual({ result: 2, stdout: '' })
  expect(stderr).toContain('JWT_SECRET_FILE holds a PEM key or certificate, not a secret')
})
