import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../support/gateway-process.ts'

const LIMIT_BYTES = 6 * 1024

test('the client is at most 6 kB gzipped, on top of socket.io-client', async () => {
  const result = await build({
    configFile: false,
    root: repositoryRoot,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: 'client/connect.ts',
        preserveEntrySignatures: 'strict',
        external: ['socket.io-client'],
      },
    },
  })
  if (!('output' in result)) throw new Error('one bundle was expected')
  expect(result.output.length).toBe(1)
  const { code } = result.output[0]
  const bytes = gzipSync(code, { level: 9 }).length
  console.log(`roomwire/client: ${bytes} bytes gzipped, ${code.length} minified`)
  expect(bytes).toBeLessThanOrEqual(LIMIT_BYTES)
})
