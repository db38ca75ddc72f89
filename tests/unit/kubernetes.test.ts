import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../../server/config.ts'
import { options } from '../../server/options.ts'
import { repositoryRoot } from '../support/gateway-process.ts'
import { startInProcess } from '../support/in-process.ts'
import { testScope } from '../support/test-scope.ts'

const folder = join(repositoryRoot, 'deploy/k8s')
const manifest = (name: string) => parse(readFileSync(join(folder, `${name}.yaml`), 'utf8'))
const deployment = manifest('deployment')
const pod = deployment.spec.template
const [container] = pod.spec.containers
const labels = pod.metadata.labels

/** What the container gets for each variable; secrets and fields of the pod have a value that could be. */
const environment: Record<string, string> = Object.fromEntries(
  container.env.map(({ name, value }: { name: string; value?: string }) => [
    name,
    value ?? 'roomwire-0',
  ]),
)

test('every manifest is listed, and nothing else is', () => {
  const files = readdirSync(folder).filter(
    (name) => name.endsWith('.yaml') && name !== 'kustomization.yaml',
  )
  expect([...manifest('kustomization').resources].sort()).toEqual(files.sort())
  expect(manifest('kustomization').namespace).toBe(manifest('namespace').metadata.name)
  expect(manifest('kustomization').images[0].name).toBe(container.image)
})

test('everything that selects pods selects these', () => {
  expect(deployment.spec.selector.matchLabels).toEqual(labels)
  expect(manifest('service').spec.selector).toEqual(labels)
  expect(manifest('disruption-budget').spec.selector.matchLabels).toEqual(labels)
  expect(manifest('network-policy').spec.podSelector.matchLabels).toEqual(labels)
  expect(pod.spec.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual(labels)
  expect(manifest('autoscaler').spec.scaleTargetRef).toEqual({
    apiVersion: deployment.apiVersion,
    kind: deployment.kind,
    name: deployment.metadata.name,
  })
})

test('ports fit, from the ingress to the process', () => {
  const [port] = container.ports
  const { config } = readConfig({})
  expect(port.containerPort).toBe(config.port)
  const [published] = manifest('service').spec.ports
  expect(published.targetPort).toBe(port.name)
  expect(manifest('network-policy').spec.ingress[0].ports[0].port).toBe(port.name)
  const [rule] = manifest('ingress').spec.rules
  for (const { backend } of rule.http.paths) {
    expect(backend.service).toEqual({
      name: manifest('service').metadata.name,
      port: { name: published.name },
    })
  }
  expect(rule.http.paths.map(({ path }: { path: string }) => path)).toContain(config.socketPath)
})

test('the settings are ones that a gateway takes; passwords are files of a mounted folder', () => {
  for (const variable of Object.keys(environment)) expect(options).toHaveProperty(variable)
  const read: string[] = []
  const { config, warnings } = readConfig(environment, (path) => {
    read.push(path)
    return Buffer.from('a password\n')
  })
  expect(warnings).toEqual([])
  expect([config.rooms?.password, config.cache?.password]).toEqual(['a password', 'a password'])
  const [mount] = container.volumeMounts
  expect(mount).not.toHaveProperty('subPath')
  for (const path of read) expect(path.startsWith(`${mount.mountPath}/`)).toBe(true)
  const volume = pod.spec.volumes.find(({ name }: { name: string }) => name === mount.name)
  // Readable for the container's group, and for nobody else.
  expect(volume.secret.defaultMode).toBe(0o440)
  expect(pod.spec.securityContext.fsGroup).toBe(pod.spec.securityContext.runAsGroup)
  const ports = manifest('network-policy').spec.egress.flatMap(
    (rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port),
  )
  for (const redis of [config.rooms, config.cache]) expect(ports).toContain(redis?.port)
})

test('the grace period covers preStop and the longest drain; a roll-out never has less than it needs', () => {
  const { config } = readConfig(environment, () => Buffer.from('x'))
  const [, seconds] = container.lifecycle.preStop.exec.command
  const needed = Number(seconds) * 1000 + config.shutdownTimeoutMs
  expect(pod.spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(needed)
  expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
  expect(deployment.spec.replicas).toBeGreaterThan(
    manifest('disruption-budget').spec.maxUnavailable,
  )
  expect(manifest('autoscaler').spec.minReplicas).toBe(deployment.spec.replicas)
})

test('probes ask what a gateway answers, and liveness does not ask for readiness', async () => {
  const { url } = await startInProcess(testScope())
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { path, port } = container[probe].httpGet
    expect((await fetch(`${url}${path}`)).status, probe).toBe(200)
    expect(port).toBe('http')
  }
  expect(container.livenessProbe.httpGet.path).toBe('/health/live')
  expect(container.readinessProbe.httpGet.path).toBe('/health/ready')
})

test('it runs as the user of the image, who may do nothing', () => {
  const dockerfile = readFileSync(join(repositoryRoot, 'Dockerfile'), 'utf8')
  const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile } = pod.spec.securityContext
  expect(dockerfile).toContain(`USER ${runAsUser}:${runAsGroup}\n`)
  expect(runAsNonRoot).toBe(true)
  expect(seccompProfile).toEqual({ type: 'RuntimeDefault' })
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  expect(container.resources.limits.memory).toMatch(/Gi$/)
  expect(pod.spec.automountServiceAccountToken).toBe(false)
})
