import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { repositoryRoot } from './gateway-process.ts'

export const composeFiles = [
  'compose.yml',
  'dokploy/compose.yml',
  'dokploy/docker-compose.redis.yml',
] as const

/** What tests look at in a service; Compose allows more forms than we use. */
export interface ComposeService {
  image?: string
  build?: string
  user?: string
  command?: string[]
  entrypoint?: string[]
  environment?: Record<string, string>
  env_file?: string[]
  secrets?: string[]
  volumes?: string[]
  depends_on?: string[]
  networks?: string[] | Record<string, { aliases?: string[] }>
  profiles?: string[]
  stop_grace_period?: string
  healthcheck?: { test: string[] }
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  deploy?: { resources: { limits: { cpus: string; memory: string } } }
}

export interface ComposeFile {
  services: Record<string, ComposeService>
  secrets?: Record<string, { file: string }>
  volumes?: Record<string, unknown>
}

/** Reads one, merge keys resolved; `$` interpolation is left alone. */
export function readCompose(file: string): ComposeFile {
  return parse(readFileSync(join(repositoryRoot, file), 'utf8'), { merge: true }) as ComposeFile
}

/** The files and folders of the host that a service mounts, from the root of the repository. */
export function mountedPaths(file: string, service: ComposeService): string[] {
  return (service.volumes ?? [])
    .map((volume) => volume.split(':')[0] ?? '')
    .filter((source) => source.startsWith('.'))
    .map((source) => join(dirname(file), source))
}

/** The environment that a service gets: its files, then its own entries. */
export function environmentOf(file: string, service: ComposeService): Record<string, string> {
  const given: Record<string, string> = {}
  for (const path of service.env_file ?? []) {
    Object.assign(given, parseEnv(readFileSync(join(repositoryRoot, dirname(file), path), 'utf8')))
  }
  return { ...given, ...service.environment }
}

/** As Compose reads our files: no quotes, no interpolation, comments on lines of their own. */
export function parseEnv(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => /^\w+=/.test(line))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

/** The shell line of a health check of the form CMD-SHELL, as the container's shell gets it. */
export function healthCheckLine(service: ComposeService): string {
  const [form, line] = service.healthcheck?.test ?? []
  if (form !== 'CMD-SHELL' || line === undefined) throw new Error('there is no CMD-SHELL check')
  return line.replaceAll('$$', '$')
}
