import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TlsFiles } from './redis-config.ts'
import type { Scope } from './scope.ts'

const run = promisify(execFile)
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const DAY_MS = 86_400_000

/** Days from now, for either end of a certificate's life. */
export interface Validity {
  from: number
  to: number
}

/**
 * A certificate authority of its own, known to nobody, and a server certificate of it that is valid
 * for `names`. The files end with the scope.
 */
export async function makeCertificates(
  scope: Scope,
  names: readonly string[] = ['IP:127.0.0.1', 'DNS:localhost'],
  { from, to }: Validity = { from: -1, to: 90 },
): Promise<TlsFiles> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-tls-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  const openssl = (...args: string[]) => run('openssl', args, { cwd: dir })

  await writeFile(join(dir, 'server.ext'), `subjectAltName=${names.join(',')}\n`)
  const authority = ['-subj', '/CN=throw-away authority', '-keyout', 'ca.key', '-out', 'ca.pem']
  await openssl('req', '-x509', ...NEW_KEY, '-days', '2', ...authority)
  const request = ['-subj', '/CN=redis', '-keyout', 'server.key', '-out', 'server.csr']
  await openssl('req', ...NEW_KEY, ...request)
  // `openssl x509` cannot date back.
  await writeFile(join(dir, 'index.txt'), '')
  await writeFile(join(dir, 'serial'), '01\n')
  await writeFile(join(dir, 'ca.conf'), AUTHORITY)
  const dates = ['-startdate', openSslDate(from), '-enddate', openSslDate(to)]
  const files = ['-in', 'server.csr', '-extfile', 'server.ext', '-out', 'server.pem']
  const issuer = ['-cert', 'ca.pem', '-keyfile', 'ca.key']
  await openssl('ca', '-batch', '-notext', '-config', 'ca.conf', ...issuer, ...dates, ...files)
  return {
    caFile: join(dir, 'ca.pem'),
    certFile: join(dir, 'server.pem'),
    keyFile: join(dir, 'server.key'),
  }
}

const AUTHORITY = `[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
`

/** `20261231235959Z` */
function openSslDate(days: number): string {
  const date = new Date(Date.now() + days * DAY_MS)
  return date.toISOString().replace(/[-:T]|\.\d+/g, '')
}
