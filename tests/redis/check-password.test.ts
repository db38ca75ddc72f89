import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { runCli } from '../../server/cli.ts'
import type { Report } from '../../server/doctor/check.ts'

async function prove(password: string, path = process.env['PATH'] ?? '') {
  let stdout = ''
  const code = await runCli(['check-password', '--prove', '--json'], {
    env: { PATH: path },
    stdin: Readable.from([Buffer.from(password)]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: () => undefined },
  })
  expect(stdout).not.toContain(password)
  const { checks } = JSON.parse(stdout) as Report
  const proof = checks.filter(({ id }) => id.startsWith('proof'))
  return { code, proof: Object.fromEntries(proof.map(({ id, status }) => [id, status])) }
}

const EVERY_FORM = {
  'proof-file': 'ok',
  'proof-variable': 'ok',
  'proof-encoded': 'ok',
  'proof-raw': 'ok',
}

test('a throw-away redis-server proves each form of a password', async () => {
  for (const password of [
    '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA=',
    `@ : / # ? % & = + [ ] \\ ' " $HOME`,
    'пароль 🔑',
  ]) {
    expect((await prove(password)).proof).toEqual(EVERY_FORM)
  }
})

test('it shows that percent-sequences cannot stand in a URL', async () => {
  const { code, proof } = await prove('kfQ7hRr2%2BZwB0xT9sLm4V')
  expect(proof).toEqual({ ...EVERY_FORM, 'proof-raw': 'warning' })
  // The same as without the proof: there are forms that hold it.
  expect(code).toBe(1)
})

test('without a redis-server nothing is proven, which is no success', async () => {
  const { code, proof } = await prove('kfQ7hRr2ZwB0xT9sLm4V', '/nowhere')
  expect(proof).toEqual({ proof: 'failed' })
  expect(code).toBe(2)
})
