import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { runCli } from '../../server/cli.ts'
import type { Report } from '../../server/doctor/check.ts'

const STORY = '80u7dxerdVK+ZaKp2drp76OKtH0O1EYXLwebTQ/q7mA='

async function check(input: string | Buffer, ...flags: string[]) {
  let [stdout, stderr] = ['', '']
  const result = await runCli(['check-password', ...flags], {
    env: {},
    stdin: Readable.from([Buffer.from(input)]),
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { result, stdout, stderr }
}

async function checks(input: string | Buffer, ...flags: string[]) {
  const { stdout } = await check(input, '--json', ...flags)
  const report = JSON.parse(stdout) as Report
  return Object.fromEntries(report.checks.map((each) => [each.id, each]))
}

test('the password of the story: fine for us as it stands, and what it does to others', async () => {
  const found = await checks(`${STORY}\n`)
  expect(found['input']).toMatchObject({ status: 'ok' })
  expect(found['raw']).toMatchObject({ status: 'ok' })
  expect(found['strength']).toMatchObject({ status: 'ok' })
  expect(found['other-tools']).toMatchObject({
    status: 'note',
    seen: expect.stringContaining('"/" ends the address, so that host and port are lost'),
  })
  // Only what does break is named.
  expect(found['other-tools']?.seen).not.toMatch(/"[+=]"/)
  expect((await check(`${STORY}\n`)).result).toBe(0)
})

test('the password is never printed; its encoded form where that is asked for', async () => {
  const hidden = await check(STORY)
  const shown = await check(STORY, '--show')
  const encoded = encodeURIComponent(STORY)
  for (const { stdout, stderr } of [hidden, shown]) expect(stdout + stderr).not.toContain(STORY)
  expect(hidden.stdout).not.toContain(encoded)
  expect(hidden.stdout).toContain('--show')
  expect(shown.stdout).toContain(encoded)
})

test.each([
  ['/', 'ends the address'],
  ['?', 'begins a query'],
  ['#', 'begins a fragment'],
  ['%', 'begins a sequence'],
])('%s breaks parsers of URLs, ours not', async (letter, why) => {
  const found = await checks(`kfQ7hRr2${letter}ZwB0xT9sLm4V`)
  expect(found['raw']).toMatchObject({ status: 'ok' })
  expect(found['other-tools']?.seen).toContain(`"${letter}" ${why}`)
})

test('hex needs nothing; @ : [ and spaces only disturb strict parsers', async () => {
  const plain = await checks('d41d8cd98f00b204e9800998ecf8427e')
  for (const id of ['input', 'strength', 'raw', 'other-tools', 'encoded', 'shell']) {
    expect(plain[id]).toMatchObject({ id, status: 'ok' })
  }
  const odd = await checks('kfQ7@hRr2:ZwB0[xT9 sLm4V')
  expect(odd['raw']).toMatchObject({ status: 'ok' })
  expect(odd['other-tools']?.seen).toContain('strict parsers')
})

test('what holds a single quote is not sent to single quotes alone', async () => {
  const quoted = await checks(`kfQ7hRr2'ZwB0 xT9sLm4V`)
  expect(quoted['shell']?.remedy).toContain(String.raw`write '\'' for the one within`)
  const other = await checks('kfQ7hRr2 ZwB0xT9sLm4V')
  expect(other['shell']?.remedy).toContain('put single quotes around it; in compose.yml')
})

test('percent-sequences: the one thing that a raw URL cannot hold', async () => {
  const { result } = await check('kfQ7hRr2%2BZwB0xT9sLm4V')
  expect(result).toBe(1)
  const found = await checks('kfQ7hRr2%2BZwB0xT9sLm4V')
  expect(found['raw']).toMatchObject({
    status: 'warning',
    remedy: expect.stringContaining('_PASSWORD_FILE'),
  })
})

describe('what came along with it', () => {
  test.each([
    ['white space', `${STORY} \n`, 'white space at an end'],
    ['a second line', `${STORY}\nmore\n`, 'more than one line'],
    ['a tab within', 'kfQ7hRr2\tZwB0xT9sLm4V', 'control characters'],
  ])('%s is warned about', async (_, input, seen) => {
    expect((await checks(input))['input']).toMatchObject({
      status: 'warning',
      seen: expect.stringContaining(seen),
    })
  })

  test('one newline after it is no part of it', async () => {
    const found = await checks('kfQ7hRr2ZwB0xT9sLm4V\r\n')
    expect(found['input']).toMatchObject({
      status: 'ok',
      seen: '20 characters; the newline after it was not counted',
    })
  })

  test('what is not ASCII is told of', async () => {
    const found = await checks('kfQ7hRr2пароль0xT9sLm4V')
    expect(found['input']).toMatchObject({ status: 'note' })
  })

  test.each([
    ['nothing', ''],
    ['a newline alone', '\n'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x41])],
  ])('%s is no password', async (_, input) => {
    expect((await check(input)).result).toBe(2)
    expect((await checks(input))['input']).toMatchObject({ status: 'failed' })
  })
})

test('a weak one is a hint, no failure', async () => {
  for (const weak of ['hunter2', 'password-of-redis-2026', 'aaaaaaaaaaaaaaaaaaaaaaaa']) {
    expect((await checks(weak))['strength']).toMatchObject({ status: 'note' })
    expect((await check(weak)).result).toBe(0)
  }
})

describe('typed at a terminal', () => {
  async function type(...keys: string[]) {
    let [stdout, stderr] = ['', '']
    const modes: boolean[] = []
    const stdin = Object.assign(Readable.from(keys.map((key) => Buffer.from(key))), {
      isTTY: true,
      setRawMode: (raw: boolean) => modes.push(raw),
    })
    const result = await runCli(['check-password', '--show'], {
      env: {},
      stdin,
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
    })
    return { result, stdout, stderr, modes }
  }

  test('it is asked for, not echoed, and can be corrected', async () => {
    const { result, stdout, stderr, modes } = await type('kfQ7/hRx', '\x7f', 'r2ZwB0xT9sLm4V', '\r')
    expect(result).toBe(0)
    expect(stdout).toContain('kfQ7%2FhRr2ZwB0xT9sLm4V')
    expect(stderr).toBe('Password (not shown): \n')
    expect(modes).toEqual([true, false])
  })

  test('Ctrl-C ends it', async () => {
    const { result, stdout, modes } = await type('kfQ7', '\x03')
    expect(result).toBe(2)
    expect(stdout).toBe('')
    expect(modes).toEqual([true, false])
  })
})

test('a password among the arguments is refused, and not repeated', async () => {
  const { result, stderr } = await check('', STORY)
  expect(result).toBe(2)
  expect(stderr).not.toContain(STORY)
})
