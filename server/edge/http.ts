import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import express, {
  type ErrorRequestHandler,
  type Express,
  type RequestHandler,
  type Router,
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
import { onlyWebSockets } from './upgrades.ts'

export interface HttpDeps {
  logger: Logger
  metrics: Metrics
  health: () => Health
  operations: Operations
  /** Folder with the built chat page. */
  pageDir: string
  socketPath: string
  /** Undefined: operators are who comes from loopback. */
  operatorToken: string | undefined
  /** What backends do, beside what operators do. */
  api: Router
  /** Begins to stop this instance. */
  drain: () => void
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

/** Probes, metrics and the chat page. Liveness asks nobody: it must not depend on Redis. */
export function createHttp(deps: HttpDeps): {
  app: Express
  server: Server
  /** @param graceMs peers have so long to take what was sent last */
  close: (graceMs: number) => Promise<void>
} {
  const { health, metrics } = deps
  const app = express()
  app.disable('x-powered-by')
  app.use(
    pinoHttp({
      logger: deps.logger,
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
    }),
  )
  app.use(
    helmet({
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
    }),
  )

  app.get('/health', async (request, response) => {
    if (!isScrape(request.headers.accept)) return void response.json(health())
    recordHealth(metrics, health())
    const exposition = await metrics.registry.getSingleMetricAsString('roomwire_health_status')
    response.type(metrics.registry.contentType).send(`${exposition}\n`)
  })
  app.get('/health/live', (_request, response) => void response.json({ live: true }))
  app.get('/health/ready', (_request, response) => {
    const { ready, status, redis } = health()
    response.status(ready ? 200 : 503).json({ ready, status, redis })
  })
  app.get('/metrics', async (_request, response) => {
    response.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })
  app.post('/api/drain', operatorsOnly(deps.operatorToken), (request, response) => {
    request.log.info('drain requested')
    response.status(202).json({ ok: true, draining: true })
    deps.drain()
  })
  app.use(opsRoutes(deps))
  app.use(deps.api)
  app.get(['/', '/index.html'], chatPage(deps))
  app.use(
    '/assets',
    express.static(join(deps.pageDir, 'assets'), { immutable: true, maxAge: '1y' }),
  )
  app.use(express.static(deps.pageDir, { index: false }))
  app.use((request) => {
    throw new GatewayError('NOT_FOUND', `there is nothing at ${request.path}`)
  })
  app.use(errorReply)
  const server = createServer(onlyWebSockets, app)
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

/** Prometheus, which so needs nothing beside itself to probe an instance or a whole service. */
function isScrape(accept = ''): boolean {
  return /openmetrics-text|text\/plain;\s*version=/.test(accept)
}

/** The page learns the Socket.IO path from a meta element. */
function chatPage({ pageDir, socketPath }: HttpDeps): RequestHandler {
  return async (_request, response) => {
    const html = await readFile(join(pageDir, 'index.html'), 'utf8').catch(() => undefined)
    if (html === undefined) {
      throw new GatewayError('NOT_FOUND', 'the chat page is not built: run npm run build')
    }
    const meta = /(<meta name="roomwire-socket-path" content=")[^"]*(")/
    response
      .type('html')
      .set('cache-control', 'no-cache')
      .send(html.replace(meta, (_all, open, close) => `${open}${socketPath}${close}`))
  }
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
