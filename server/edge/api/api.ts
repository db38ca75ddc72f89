import { isUtf8 } from 'node:buffer'
import express, { type RequestHandler, Router } from 'express'
import { GatewayError } from '../../errors.ts'
import type { ApiKey, ApiScope } from '../../session/api-keys.ts'
import type { KeyLimit } from '../../session/key-limit.ts'
import { parse } from '../requests.ts'
import { openApiDocument } from './openapi.ts'
import type { Route } from './route.ts'

export interface ApiDeps {
  routes: readonly Route[]
  version: string
  /** Undefined: there are no keys, nobody may. */
  findKey: ((key: string) => ApiKey | undefined) | undefined
  /** Undefined: as much as they like. */
  keyLimit: KeyLimit | undefined
  maxBodyBytes: number
}

/** A body may hold several messages. */
const MIN_LIMIT_BYTES = 1024 * 1024

/** What backends do over HTTP, each with a key, and the document that describes it. */
export function apiRoutes(deps: ApiDeps): Router {
  const router = Router({ strict: true })
  const limit = Math.max(MIN_LIMIT_BYTES, 2 * deps.maxBodyBytes)
  const json = express.json({ limit, strict: false, verify: needsUtf8 })
  const document = openApiDocument(deps.routes, deps.version)
  router.get('/api/openapi.json', (_request, response) => void response.json(document))
  for (const route of deps.routes) {
    const steps = [keyHolders(deps, route.scope), ...(route.body ? [needsJson, json] : [])]
    router[route.method](route.path, ...steps, answering(route))
  }
  return router
}

/** Before anything is read of the body. */
function keyHolders(
  { findKey, keyLimit }: Pick<ApiDeps, 'findKey' | 'keyLimit'>,
  scope: ApiScope,
): RequestHandler {
  return async (request, response, next) => {
    if (findKey === undefined) {
      throw new GatewayError('UNAUTHORIZED', 'the server API is off: set API_KEYS_FILE')
    }
    const { authorization } = request.headers
    const given = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? request.get('x-api-key')
    if (given === undefined) {
      response.set('www-authenticate', 'Bearer')
      throw new GatewayError('UNAUTHORIZED', 'authorization: needs Bearer and an API key')
    }
    const key = findKey(given)
    if (key === undefined) throw new GatewayError('UNAUTHORIZED', 'the API key is not known')
    await keyLimit?.spend(key.name)
    if (!key.scopes.has(scope)) {
      throw new GatewayError('FORBIDDEN', `the API key does not have the scope ${scope}`)
    }
    response.locals['key'] = key
    next()
  }
}

/** What is not UTF-8 would be stored as something else. */
function needsUtf8(_request: unknown, _response: unknown, body: Buffer): void {
  if (!isUtf8(body)) throw new GatewayError('BAD_REQUEST', 'body: must be JSON in UTF-8')
}

const needsJson: RequestHandler = (request, _response, next) => {
  if (request.is('application/json')) return next()
  throw new GatewayError('BAD_REQUEST', 'content-type: must be application/json')
}

function answering(route: Route): RequestHandler {
  return async (request, response) => {
    const params = parse(route.params, request.params, 'path')
    const query = route.query && parse(route.query, request.query, 'query')
    const headers = route.headers && parse(route.headers, request.headers, 'headers')
    const body = route.body && parse(route.body, request.body, 'body')
    const key = response.locals['key'] as ApiKey
    const reply = await route.handle({ params, query, headers, body, key })
    response
      .status(reply.status)
      .set('cache-control', 'no-store')
      .json({ ok: true, ...reply.body })
  }
}
