import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startChild } from '../support/child.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)
const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const dockerfile = read('Dockerfile')

/** The build folder as Docker gets it: everything is ignored but for these. */
const context = read('.dockerignore')
  .split('\n')
  .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))

test('every stage starts from one exact version', () => {
  const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  expect(images).toHaveLength(3)
  for (const image of images) expect(image).toMatch(/^node:\d+\.\d+\.\d+-\w+-slim$/)
})

test('the last stage runs as nobody, under a number', () => {
  expect(/^USER (.*)$/m.exec(dockerfile)?.[1]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
})

test('what the image copies is in the build folder, and the build needs nothing else', async () => {
  const scope = testScope()
  const folder = await mkdtemp(join(tmpdir(), 'roomwire-image-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  for (const path of context) {
    expect(existsSync(join(repositoryRoot, path)), path).toBe(true)
    cpSync(join(repositoryRoot, path), join(folder, path), { recursive: true })
  }
  symlinkSync(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'))
  const { build } = JSON.parse(read('package.json')).scripts as { build: string }
  const path = `${join(folder, 'node_modules/.bin')}:${process.env['PATH']}`
  await run('sh', ['-c', build], { cwd: folder, env: { PATH: path } })

  // The last stage has these and the dependencies.
  const copied = [...dockerfile.matchAll(/^COPY (?:--from=build \/app\/)?(package\.json|dist)/gm)]
  expect(copied.length).toBeGreaterThan(1)
  const [program = '', ...args] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '[]')
  const gateway = await startChild(scope, program, args, {
    cwd: folder,
    env: { PORT: '0', HOST: '127.0.0.1' },
  })
  const port = await new Promise<number>((resolve) => {
    gateway.onLine((line) => {
      if (line.includes('"listening"')) resolve(JSON.parse(line).port)
    })
  })

  const line = /^HEALTHCHECK[\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]'
  const [check = '', ...checkArgs] = JSON.parse(line) as string[]
  const health = (port: number) =>
    run(check, checkArgs, { env: { ...process.env, PORT: String(port) } }).then(
      () => 'healthy',
      () => 'unhealthy',
    )
  expect(await health(port)).toBe('healthy')
  await gateway.stop()
  expect(await health(port)).toBe('unhealthy')
})
