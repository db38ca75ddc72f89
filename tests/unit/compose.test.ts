import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../server/config.ts'
import { options } from '../../server/options.ts'
import {
  composeFiles,
  environmentOf,
  mountedPaths,
  parseEnv,
  readCompose,
} from '../support/compose.ts'
import { repositoryRoot } from '../support/gateway-process.ts'

const inRepository = (path: string) => join(repositoryRoot, path)
const read = (path: string) => readFileSync(inRepository(path), 'utf8')
const everyService = composeFiles.flatMap((file) =>
  Object.entries(readCompose(file).services).map(([name, service]) => ({ file, name, service })),
)

describe.each(everyService)('$file: $name', ({ file, service }) => {
  const isGateway = service.build !== undefined

  test('is of one exact version', () => {
    if (!isGateway) expect(service.image).toMatch(/^[\w./-]+:v?\d+\.\d+\.\d+(-alpine)?$/)
  })

  test('runs as nobody, can write nowhere, and has limits', () => {
    // The gateway's user is in the Dockerfile.
    if (!isGateway) expect(service.user).toMatch(/^[1-9]\d*:\d+$/)
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    expect(service.deploy?.resources.limits).toEqual({
      cpus: expect.stringMatching(/^[\d.]+$/),
      memory: expect.stringMatching(/^\d+[MG]$/),
    })
  })

  test('has a health check', () => {
    if (isGateway) expect(read('Dockerfile')).toMatch(/^HEALTHCHECK/m)
    else expect(service.healthcheck?.test.length).toBeGreaterThan(1)
  })

  test('mounts files, reads settings and uses secrets that exist', () => {
    const settings = (service.env_file ?? []).map((path) => join(dirname(file), path))
    for (const path of [...mountedPaths(file, service), ...settings]) {
      expect(existsSync(inRepository(path)), path).toBe(true)
    }
    const declared = readCompose(file).secrets ?? {}
    for (const secret of service.secrets ?? []) expect(declared).toHaveProperty(secret)
    for (const [variable, value] of Object.entries(environmentOf(file, service))) {
      if (!/_FILE$/.test(variable)) continue
      expect(service.secrets?.map((secret) => `/run/secrets/${secret}`)).toContain(value)
    }
  })

  test('has no password in its arguments, nor one written down', () => {
    const args = [...(service.entrypoint ?? []), ...(service.command ?? [])].join(' ')
    expect(args).not.toMatch(/pass|secret|token|\$\{/i)
    for (const [variable, value] of Object.entries(environmentOf(file, service))) {
      if (/PASSWORD$|TOKEN$|SECRET$/.test(variable)) expect(value).toMatch(/^\$\{\w+:\?/)
    }
  })

  test('waits for services and uses volumes that exist', () => {
    const { services, volumes = {} } = readCompose(file)
    for (const other of service.depends_on ?? []) expect(services).toHaveProperty(other)
    const named = (service.volumes ?? [])
      .map((volume) => volume.split(':')[0] ?? '')
      .filter((source) => !source.startsWith('.'))
    for (const volume of named) expect(volumes).toHaveProperty(volume)
  })

  if (isGateway) {
    test('has settings that a gateway takes, and time to hand its clients over', () => {
      const env = environmentOf(file, service)
      for (const variable of Object.keys(env)) expect(options).toHaveProperty(variable)
      const filled = Object.fromEntries(
        Object.entries(env).map(([variable, value]) => [
          variable,
          value.replace(/\$\{\w+:-(.*)\}/, '$1').replace(/\$\{\w+:\?.*\}/, 'a password'),
        ]),
      )
      const { config, warnings } = readConfig(filled, () => Buffer.from('a password\n'))
      expect(warnings).toEqual([])
      expect(config.rooms?.password).toBe('a password')
      const hosts = [config.rooms?.host, config.cache?.host]
      for (const host of hosts) expect(readCompose(file).services).toHaveProperty([String(host)])
      const graceMs = Number.parseInt(service.stop_grace_period ?? '0', 10) * 1000
      expect(graceMs).toBeGreaterThan(config.shutdownTimeoutMs)
    })
  }
})

const { services } = readCompose('compose.yml')
const gateways = Object.keys(services).filter((name) => services[name]?.build)

test('every file in env/ is the settings of a service, and every secret is used', () => {
  const used = Object.values(services).flatMap((service) => service.env_file ?? [])
  for (const name of readdirSync(inRepository('env'))) {
    if (!name.endsWith('.example')) expect(used).toContain(`env/${name}`)
  }
  const secrets = Object.values(services).flatMap((service) => service.secrets ?? [])
  expect(Object.keys(readCompose('compose.yml').secrets ?? {}).sort()).toEqual(
    [...new Set(secrets)].sort(),
  )
})

test('what env/gateway.env proposes in comments are options', () => {
  const proposed = parseEnv(read('env/gateway.env').replaceAll(/^#(?=[A-Z_]+=)/gm, ''))
  for (const variable of Object.keys(proposed)) expect(options).toHaveProperty(variable)
})

test('HAProxy has a name for every gateway', () => {
  const env = parseEnv(read('env/haproxy.env'))
  for (const name of gateways) expect(Object.values(env)).toContain(`${name}:8080`)
})

test('Prometheus looks for services that run, at their ports', () => {
  const started = Object.keys(services).filter((name) => services[name]?.profiles === undefined)
  const ports = { haproxy: ['8080', '8404'], alertmanager: ['9093'] } as Record<string, string[]>
  const found = readdirSync(inRepository('deploy/prometheus/targets')).flatMap((file) => {
    const groups = parse(read(`deploy/prometheus/targets/${file}`)) as { targets: string[] }[]
    return groups.flatMap(({ targets }) => targets)
  })
  for (const target of found) {
    const [host = '', port] = target.split(':')
    expect(started).toContain(host)
    const known = gateways.includes(host) ? ['8080'] : (ports[host] ?? ['9121'])
    expect(known).toContain(port)
  }
  for (const name of gateways.filter((name) => started.includes(name))) {
    expect(found).toContain(`${name}:8080`)
  }
  expect(read('deploy/grafana/provisioning/datasources/prometheus.yml')).toContain(
    'http://prometheus:9090',
  )
})

test('scripts that are run by sh need no more than sh, and can be run by hand', () => {
  for (const name of ['redis-start.sh', 'redis-exporter-start.sh']) {
    const path = `deploy/${name}`
    expect(read(path)).toMatch(/^#!\/bin\/sh\n/)
    expect(statSync(inRepository(path)).mode & 0o111, path).not.toBe(0)
  }
})
