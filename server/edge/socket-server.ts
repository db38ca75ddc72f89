import type { Server as HttpServer } from 'node:http'
import { Server } from 'socket.io'
import type { Acknowledgements } from './acknowledgements.ts'
import { type Admission, createAdmission } from './admission.ts'
import { watchArrivals } from './arrivals.ts'
import {
  corkHandshake,
  createPacketLimits,
  type EngineConnection,
  parseUrlsOnce,
} from './engine.ts'
import { admitHandshakes, admitReturns, type HandshakesDeps } from './handshakes.ts'
import { keepConnectionsLean } from './lean-connections.ts'
import type { OverloadLevel } from './overload.ts'
import { type ScreeningDeps, screenHandshakes } from './screening.ts'
import { guardUpgrades } from './upgrades.ts'

export interface SocketServerOptions {
  socketPath: string
  /** False: polling only. */
  websocket: boolean
  pingIntervalMs: number
  pingTimeoutMs: number
  maxBodyBytes: number
  /** `['*']` allows all, empty allows same-origin pages only. */
  corsOrigins: readonly string[]
  /** 0: no limit. */
  maxConnections: number
  maxConnectQueue: number
  /** Undefined: Socket.IO's own, within the process. */
  adapter: Parameters<Server['adapter']>[0] | undefined
  parser: Acknowledgements['parser']
  draining: () => boolean
  overload: () => OverloadLevel
  connectRefused: HandshakesDeps['refused']
  handshakeRefused: ScreeningDeps['refused']
  screening: Omit<ScreeningDeps, 'refused'>
  /** Counts what arrives on a connection; undefined where nothing is limited. */
  watch: ((conn: EngineConnection) => void) | undefined
}

/** Time of one turn of the event loop for newcomers, ms; a handshake takes about 0.3. */
const ADMISSION_MS = 10
const ADMISSION_OVERLOADED_MS = 1
/** Clients give up by themselves after 20 s (socket.io-client's default). */
const MAX_WAIT_MS = 10_000

/** Socket.IO on an HTTP server, with admission before its handshakes. */
export function createSocketServer(
  server: HttpServer,
  options: SocketServerOptions,
): { io: Server; admission: Admission } {
  const { draining, overload, connectRefused: refused } = options
  const admission = createAdmission({
    budgetMs: () => (overload() < 3 ? ADMISSION_MS : ADMISSION_OVERLOADED_MS),
    hold: watchArrivals(server).crowding,
    maxWaiting: options.maxConnectQueue,
    maxWaitMs: MAX_WAIT_MS,
    full: () => options.maxConnections > 0 && io.engine.clientsCount >= options.maxConnections,
  })
  if (options.websocket) parseUrlsOnce(server)
  const io: Server = new Server(server, {
    path: options.socketPath,
    parser: options.parser,
    transports: options.websocket ? ['websocket', 'polling'] : ['polling'],
    pingInterval: options.pingIntervalMs,
    pingTimeout: options.pingTimeoutMs,
    // Bodies that are a little too long still get an answer; JSON may escape a byte into six.
    maxHttpBufferSize: Math.max(1_000_000, options.maxBodyBytes * 6 + 65_536),
    ...(options.corsOrigins.length > 0 && {
      cors: options.corsOrigins.includes('*')
        ? { origin: '*' }
        : { origin: [...options.corsOrigins], credentials: true },
    }),
    allowRequest: screenHandshakes(
      { ...options.screening, refused: options.handshakeRefused },
      admitHandshakes({ admission, draining, refused }),
    ),
  })
  guardUpgrades(server)
  admitReturns(io, { admission, refused })
  if (options.adapter !== undefined) io.adapter(options.adapter)
  io.engine.on('initial_headers', corkHandshake)
  // First of all: what is refused is not looked at any further.
  if (options.watch !== undefined) io.engine.on('connection', options.watch)
  io.engine.on('connection', createPacketLimits())
  keepConnectionsLean(io.engine)
  io.engine.on('connection_error', (error: { code: number; message: string }) => {
    options.handshakeRefused(error.message)
  })
  return { io, admission }
}
