import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { expect, test } from 'vitest'
import { openChat } from '../browser/chat-page.ts'
import { launchBrowser } from '../support/browser.ts'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { testScope } from '../support/test-scope.ts'

const run = promisify(execFile)

test('the package: complete, and `npx roomwire` in an empty folder serves the chat page', async () => {
  const scope = testScope()
  const folder = await mkdtemp(join(tmpdir(), 'roomwire-package-'))
  scope.defer(() => rm(folder, { recursive: true, force: true }))

  await run('npm', ['pack', '--pack-destination', folder], { cwd: repositoryRoot })
  const [tarball = ''] = await readdir(folder)
  expect((await publint({ pkgDir: repositoryRoot, strict: true })).messages).toEqual([])
  const { stdout } = await run('tar', ['tzf', join(folder, tarball)])
  const files = stdout.split('\n').map((path) => path.replace(/^package\//, ''))
  for (const wanted of [
    ...['dist/server/main.js', 'dist/server/gateway.d.ts', 'dist/client/connect.js'],
    ...['dist/client-demo/index.html', 'dist/client-demo/ops.html', 'README.md', 'LICENSE'],
    ...['deploy/haproxy.cfg', 'docs/PROTOCOL.md', 'docs/OPERATIONS.md'],
  ]) {
    expect(files).toContain(wanted)
  }
  expect(files.filter((path) => /^(tests|bench|secrets|\.)|\.env$/.test(path))).toEqual([])

  const app = join(folder, 'app')
  await run('mkdir', [app])
  await writeFile(join(app, 'package.json'), '{"private":true,"type":"module"}')
  const install = ['install', '--no-audit', '--no-fund', join(folder, tarball)]
  await run('npm', install, { cwd: app, timeout: 240_000 })

  // What an application imports.
  const exports = `import { createGateway, readConfig } from 'roomwire'
    import { connect } from 'roomwire/client'
    import { requests } from 'roomwire/protocol'
    console.log([createGateway, readConfig, connect, requests].map((each) => typeof each).join())`
  const imported = await run(process.execPath, ['--input-type=module', '-e', exports], { cwd: app })
  expect(imported.stdout.trim()).toBe('function,function,function,object')

  const port = await freePort()
  const env = { PORT: String(port), HOST: '127.0.0.1', HOME: app }
  const gateway = await startChild(scope, 'npx', ['--no-install', 'roomwire'], { cwd: app, env })
  await eventually(() => gateway.lines.some((line) => line.includes('"listening"')), {
    what: 'a gateway that listens',
    timeoutMs: 60_000,
  })
  const browser = await launchBrowser(scope)
  const url = `http://127.0.0.1:${port}`
  const ada = await openChat(scope, browser, { url, room: 'package', name: 'Ada' })
  await ada.say('Out of the box')
  await ada.waitForHistory(([first]) => first?.state === 'stored')
  expect(ada.complaints).toEqual([])
  // npx does not pass signals on.
  await fetch(`${url}/api/drain`, { method: 'POST' })
  await gateway.exited
}, 600_000)
