import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import express, {
  type ErrorRequestHandler,
  type Express,
  type RequestHandler,
  Router,
} from 'express'
import helmet from 'helmet'
import { pinoHttp } from 'pino-http'
import { GatewayError, toWireError } from '../errors.ts'
import { type Health, recordHealth } from '../observability/health.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Operations } from '../observability/operations.ts'
import { HTTP_STATUS } from './http-status.ts'
import { operatorsOnly } from './operators.ts'
import { opsRoutes } from './ops.ts'
import { chatPage } from './pages.ts'
import { onlyWebSockets } from './upgrades.ts'

export interface HttpDeps {
  logger: Logger
  metrics: Metrics
  health: () => Health
  operations: Operations
  /** Folder with the built pages. */
  pageDir: string
  socketPath: string
  /** Whether `/` is the chat page. */
  chatPage: boolean
  /** Undefined: operators are who comes from loopback. */
  operatorToken: string | undefined
  /** What backends do, beside what operators do. */
  api: Router
  /** Begins to stop this instance. */
  drain: () => void
  /** Yours, such as an `https.Server`, without a listener for requests; undefined: one of our own. */
  server: Server | undefined
}

/**
 * Ends a server and every connection it still has. Upgraded connections are not its own any more:
 * without this, one WebSocket peer that has stopped reading keeps it open for half a minute.
 */
async function closeServer(
  server: Server,
  sockets: ReadonlySet<Socket>,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, graceMs)
  await closed
  clearTimeout(timer)
}

/**
 * Probes, metrics, operations and the server API; after them the application's own routes, and the chat
 * page where there are none.
 */
export function createHttp(deps: HttpDeps): {
  /** The application's own. */
  app: Express
  server: Server
  /** @param graceMs peers have so long to take what was sent last */
  close: (graceMs: number) => Promise<void>
} {
  const app = express().disable('x-powered-by')
  const all = express().disable('x-powered-by')
  all.use(requestLog(deps.logger))
  all.use(secured, probes(deps), opsRoutes(deps), deps.api)
  const assets = join(deps.pageDir, 'assets')
  all.use('/assets', express.static(assets, { immutable: true, maxAge: '1y' }))
  all.use(unsecured, app)
  all.use(secured)
  if (deps.chatPage) all.get(['/', '/index.html'], chatPage(deps.pageDir, deps.socketPath))
  all.use((request) => {
    throw new GatewayError('NOT_FOUND', `there is nothing at ${request.path}`)
  })
  all.use(errorReply)
  const server = serve(all, deps.server)
  const open = new Set<Socket>()
  // One listener for all: each calls it as its own.
  function forget(this: Socket): void {
    open.delete(this)
  }
  server.on('connection', (socket) => {
    open.add(socket)
    socket.on('close', forget)
  })
  return { app, server, close: (graceMs) => closeServer(server, open, graceMs) }
}

function serve(app: Express, given: Server | undefined): Server {
  if (given === undefined) return createServer(onlyWebSockets, app)
  // Both would answer.
  if (given.listenerCount('request') > 0) {
    throw new TypeError('server: must have no listener for requests; give it to gateway.app.use()')
  }
  return given.on('request', app)
}

function requestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID()
    },
    // Probes come all the time, and 503 is an answer; what fails unexpectedly logs its own line.
    customLogLevel: () => 'debug',
    // Without these two a reply of 500 and above is given an error with a stack that nobody threw.
    customErrorObject: () => ({}),
    customErrorMessage: () => 'request completed',
    // Headers hold cookies and tokens, queries may: ids, method and path are enough.
    serializers: {
      req: (request: { id: string; method: string; url: string }) => ({
        id: request.id,
        method: request.method,
        path: request.url.split('?', 1)[0],
      }),
      res: (response: { statusCode: number }) => ({ statusCode: response.statusCode }),
    },
  })
}

const secured = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      connectSrc: ["'self'", 'ws:', 'wss:'],
      objectSrc: ["'none'"],
      baseUri: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  // TLS ends at the load balancer, which knows whether it may promise it for good.
  strictTransportSecurity: false,
  // Browsers warn about both on plain HTTP, which is how many run it inside a network.
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
})

/** What our pages need may break others. */
const unsecured: RequestHandler = (_request, response, next) => {
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  next()
}

/** Liveness asks nobody: it must not depend on Redis. */
function probes({ health, metrics, operatorToken, drain }: HttpDeps): Router {
  const router = Router()
  router.get('/health', async (request, response) => {
    if (!isScrape(request.headers.accept)) return void response.json(health())
    recordHealth(metrics, health())
    const exposition = await metrics.registry.getSingleMetricAsString('roomwire_health_status')
    response.type(metrics.registry.contentType).send(`${exposition}\n`)
  })
  router.get('/health/live', (_request, response) => void response.json({ live: true }))
  router.get('/health/ready', (_request, response) => {
    const { ready, status, redis } = health()
    response.status(ready ? 200 : 503).json({ ready, status, redis })
  })
  router.get('/metrics', async (_request, response) => {
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  router.post('/api/drain', operatorsOnly(operatorToken), (request, response) => {
    request.log.info('drain requested')
    response.status(202).json({ ok: true, draining: true })
    drain()
  })
  return router
}

/** Prometheus, which so needs nothing beside itself to probe an instance or a whole service. */
function isScrape(accept = ''): boolean {
  return /openmetrics-text|text\/plain;\s*version=/.test(accept)
}

const errorReply: ErrorRequestHandler = (error: unknown, request, response, next) => {
  if (response.headersSent) return next(error)
  const wire = toWireError(asGatewayError(error))
  if (wire.code === 'INTERNAL') request.log.error({ err: error }, 'request failed')
  const { retryAfterMs } = wire
  if (retryAfterMs !== undefined) response.set('retry-after', `${Math.ceil(retryAfterMs / 1000)}`)
  response.status(HTTP_STATUS[wire.code]).json({ ok: false, error: wire })
}

/** Express and its body parser refuse bad requests with errors of their own. */
function asGatewayError(error: unknown): unknown {
  if (error instanceof GatewayError || !(error instanceof Error)) return error
  const { status, type, limit, errno } = error as ForeignError
  if (typeof status !== 'number' || status < 400 || status > 499) return error
  if (status === 413) return new GatewayError('TOO_LARGE', `body: must be at most ${limit} bytes`)
  const kind = type ?? (errno === undefined ? error.name : 'content-encoding')
  return new GatewayError('BAD_REQUEST', MALFORMED[kind] ?? 'the request is malformed')
}

/** An error of Express, its body parser, or zlib below that. */
interface ForeignError extends Error {
  status?: unknown
  type?: string
  limit?: number
  /** Of zlib, whose codes differ by algorithm. */
  errno?: number
}

const MALFORMED: Readonly<Record<string, string>> = {
  'entity.parse.failed': 'body: must be JSON',
  'charset.unsupported': 'content-type: the charset must be UTF-8',
  'encoding.unsupported': 'content-encoding: must be gzip, deflate, br or none',
  'content-encoding': 'body: is not what content-encoding says',
  URIError: 'path: must be percent-encoded UTF-8',
}
