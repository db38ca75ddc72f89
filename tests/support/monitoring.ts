import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { startChild } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { repositoryRoot } from './gateway-process.ts'
import type { Scope } from './scope.ts'
import type { Address } from './tcp-proxy.ts'

const shipped = join(repositoryRoot, 'deploy')
const at = ({ host, port }: Address) => `${host}:${port}`

async function temporary(scope: Scope): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'roomwire-monitoring-'))
  scope.defer(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function answers(url: string): Promise<boolean> {
  return (await fetch(url)).ok
}

/** redis_exporter as compose.yml runs it, with the password from a file. */
export async function startRedisExporter(
  scope: Scope,
  redis: Address & { passwordFile: string },
): Promise<Address> {
  const port = await freePort()
  const script = join(shipped, 'redis-exporter-start.sh')
  await startChild(scope, 'sh', [script, 'prometheus-redis-exporter'], {
    env: {
      REDIS_ADDR: `redis://${at(redis)}`,
      REDIS_PASSWORD_FILE: redis.passwordFile,
      REDIS_EXPORTER_REDIS_ONLY_METRICS: 'true',
      REDIS_EXPORTER_WEB_LISTEN_ADDRESS: `127.0.0.1:${port}`,
    },
  })
  await eventually(() => answers(`http://127.0.0.1:${port}/health`), { what: 'redis_exporter' })
  return { host: '127.0.0.1', port }
}

/** Where everything is, by the files in deploy/prometheus/targets. */
export interface Targets {
  gateways: readonly Address[]
  /** Where clients arrive. */
  service: Address
  haproxy: Address
  redis: { rooms: Address; cache: Address }
  alertmanager?: Address
}

export interface Sample {
  labels: Record<string, string>
  value: number
}

export interface Prometheus {
  readonly url: string
  /** An instant query; throws what Prometheus says of a bad one. */
  query(expression: string): Promise<Sample[]>
}

/**
 * Prometheus with the files that compose.yml mounts. Only the three times of the `global` block differ
 * (a second instead of ten), and what is in targets/.
 */
export async function startPrometheus(scope: Scope, targets: Targets): Promise<Prometheus> {
  const dir = await temporary(scope)
  const config = await readFile(join(shipped, 'prometheus/prometheus.yml'), 'utf8')
  const hurried = config.replaceAll(/^ {2}(\w+_(?:interval|timeout)): \d+s$/gm, '  $1: 1s')
  await writeFile(join(dir, 'prometheus.yml'), hurried)
  await symlink(join(shipped, 'prometheus/rules'), join(dir, 'rules'))
  await mkdir(join(dir, 'targets'))
  const { gateways, service, haproxy, redis, alertmanager } = targets
  const groups = {
    gateways: [{ targets: gateways.map(at) }],
    service: [{ targets: [at(service)] }],
    haproxy: [{ targets: [at(haproxy)] }],
    redis: [
      { targets: [at(redis.rooms)], labels: { role: 'rooms' } },
      { targets: [at(redis.cache)], labels: { role: 'cache' } },
    ],
    alertmanager: alertmanager === undefined ? [] : [{ targets: [at(alertmanager)] }],
  }
  for (const [name, group] of Object.entries(groups)) {
    await writeFile(join(dir, `targets/${name}.yml`), stringify(group))
  }

  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = await startChild(scope, 'prometheus', [
    `--config.file=${join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ])
  await eventually(async () => !child.running || (await answers(`${url}/-/ready`)), {
    what: 'Prometheus',
    timeoutMs: 30_000,
  })
  if (!child.running) throw new Error(`prometheus ended:\n${child.tail()}`)

  return {
    url,
    async query(expression) {
      const response = await fetch(
        `${url}/api/v1/query?${new URLSearchParams({ query: expression })}`,
      )
      const { status, error, data } = (await response.json()) as {
        status: string
        error?: string
        data: { result: { metric: Record<string, string>; value: [number, string] }[] }
      }
      if (status !== 'success') throw new Error(`${expression}: ${error}`)
      return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
  }
}

/** One alert of a message that Alertmanager sent. */
export interface Notice {
  status: 'firing' | 'resolved'
  labels: Record<string, string>
  annotations: Record<string, string>
  /** When it came, ms since 1970. */
  at: number
}

export interface Alertmanager extends Address {
  /** What the receiver of its messages got. */
  readonly notices: readonly Notice[]
}

/** Alertmanager with the file that compose.yml mounts; only the receiver's address differs. */
export async function startAlertmanager(scope: Scope): Promise<Alertmanager> {
  const notices: Notice[] = []
  const receiver = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { alerts } = JSON.parse(body) as { alerts: Omit<Notice, 'at'>[] }
    for (const alert of alerts) notices.push({ ...alert, at: Date.now() })
    response.end()
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  scope.defer(() => receiver.close())

  const dir = await temporary(scope)
  const config = await readFile(join(shipped, 'alertmanager/alertmanager.yml'), 'utf8')
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  await writeFile(join(dir, 'alertmanager.yml'), config.replace(/url: \S+/, `url: ${url}`))
  const port = await freePort()
  const child = await startChild(scope, 'prometheus-alertmanager', [
    `--config.file=${join(dir, 'alertmanager.yml')}`,
    `--storage.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ])
  await eventually(
    async () => !child.running || (await answers(`http://127.0.0.1:${port}/-/ready`)),
    {
      what: 'Alertmanager',
    },
  )
  if (!child.running) throw new Error(`prometheus-alertmanager ended:\n${child.tail()}`)
  return { host: '127.0.0.1', port, notices }
}
