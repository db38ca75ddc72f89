import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TlsFiles } from './redis-config.ts'
import type { Scope } from './scope.ts'

const run = promisify(execFile)
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/**
 * A certificate authority of its own, known to nobody, and a server certificate of it that is valid
 * for `names`. The files end with the scope.
 */
export async function makeCertificates(
  scope: Scope,
  names: readonly string[] = ['IP:127.0.0.1', 'DNS:localhost'],
): Promise<TlsFiles> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-tls-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const openssl = (...args: string[]) => run('openssl', args, { cwd: dir })

  await writeFile(join(dir, 'server.ext'), `subjectAltName=${names.join(',')}\n`)
  const authority = ['-subj', '/CN=throw-away authority', '-keyout', 'ca.key', '-out', 'ca.pem']
  await openssl('req', '-x509', ...NEW_KEY, '-days', '2', ...authority)
  const request = ['-subj', '/CN=redis', '-keyout', 'server.key', '-out', 'server.csr']
  await openssl('req', ...NEW_KEY, ...request)
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2']
  const files = ['-in', 'server.csr', '-extfile', 'server.ext', '-out', 'server.pem']
  await openssl('x509', '-req', ...signing, ...files)
  return {
    caFile: join(dir, 'ca.pem'),
    certFile: join(dir, 'server.pem'),
    keyFile: join(dir, 'server.key'),
  }
}
