import { existsSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Broker } from './broker/broker.ts'
import type { Config } from './config.ts'
import { apiRoutes } from './edge/api/api.ts'
import { claimRoutes } from './edge/api/claims.ts'
import { messageRoutes } from './edge/api/messages.ts'
import { roomRoutes } from './edge/api/rooms.ts'
import { userRoutes } from './edge/api/users.ts'
import { createHttp } from './edge/http.ts'
import type { Observability } from './gateway-observability.ts'
import type { Health } from './observability/health.ts'
import type { Operations } from './observability/operations.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { Roster } from './rooms/roster.ts'
import { createApiKeyFile } from './session/api-key-file.ts'
import { createKeyLimit } from './session/key-limit.ts'
import type { Control } from './session/revocations.ts'

export interface GatewayHttpDeps {
  broker: Broker
  rooms: Rooms
  roster: Roster
  control: Control
  observability: Observability
  operations: Operations
  health: () => Health
  drain(): void
  server: Server | undefined
}

/** Probes, metrics, pages, and the server API for whoever has a key. */
export function createGatewayHttp(
  config: Config,
  deps: GatewayHttpDeps,
): ReturnType<typeof createHttp> & { keysRead: Promise<unknown> | undefined } {
  const { broker, rooms, roster, control, observability, ...rest } = deps
  const { logger, metrics, events } = observability
  const { maxBodyBytes } = config
  const keys = config.apiKeysFile
    ? createApiKeyFile(config.apiKeysFile, {
        loaded: events.apiKeysLoaded,
        unreadable: events.apiKeysUnreadable,
      })
    : undefined
  const http = createHttp({
    ...{ logger, metrics, ...rest },
    pageDir: pageDir(),
    socketPath: config.socketPath,
    chatPage: config.chatPage,
    operatorToken: config.operatorToken,
    api: apiRoutes({
      version,
      findKey: keys?.find,
      keyLimit: config.keyRequests && createKeyLimit(config.keyRequests),
      maxBodyBytes,
      routes: [
        ...messageRoutes({ rooms, events, maxBodyBytes }),
        ...roomRoutes({ rooms, roster }),
        ...claimRoutes(broker),
        ...userRoutes({ control }),
      ],
    }),
  })
  return {
    ...http,
    keysRead: keys?.ready,
    close(graceMs) {
      keys?.stop()
      return http.close(graceMs)
    },
  }
}

/** Where `vite build` puts the page: beside dist/server, also when this file is run from source. */
function pageDir(): string {
  const built = fileURLToPath(new URL('../client-demo/', import.meta.url))
  return existsSync(`${built}/assets`)
    ? built
    : fileURLToPath(new URL('../dist/client-demo/', import.meta.url))
}

/** Of this package. */
export const version = readVersion()

function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const url = new URL(path, import.meta.url)
    if (existsSync(url)) return String(JSON.parse(readFileSync(url, 'utf8')).version)
  }
  return 'unknown'
}
