import { Router } from 'express'
import { GatewayError } from '../errors.ts'
import type { Health } from '../observability/health.ts'
import type { Operations } from '../observability/operations.ts'
import { cacheState } from '../observability/stats.ts'
import { operatorsOnly } from './operators.ts'
import { opsPage } from './pages.ts'

/**
 * The operations page, which anybody may have, and what it shows, which only operators may: `/ops`,
 * `/ops/data`, and the figures for machines at `/api/monitoring/stats`. `/api/monitoring/health` is for
 * anybody.
 *
 * `/ops/data?boot=…&since=…&revision=…` answers with what came after these; all three are optional
 * and go by the answer before.
 */
export function opsRoutes(deps: {
  operations: Operations
  health: () => Health
  pageDir: string
  operatorToken: string | undefined
}): Router {
  const { operations } = deps
  const operators = operatorsOnly(deps.operatorToken)
  const router = Router({ strict: true })
  router.get('/ops', opsPage(deps.pageDir))
  router.get('/ops/', (_request, response) => response.redirect('../ops'))
  router.get('/ops/data', operators, async (request, response) => {
    const { boot, since, revision } = request.query
    const seen = {
      boot: typeof boot === 'string' ? boot : '',
      since: readNumber('since', since),
      revision: readNumber('revision', revision),
    }
    response.set('cache-control', 'no-store').json(await operations.data(seen))
  })
  router.get('/api/monitoring/stats', operators, async (_request, response) => {
    response.set('cache-control', 'no-store').json(await operations.stats())
  })
  // As open as /health, and as little in it; 200 in any case.
  router.get('/api/monitoring/health', (_request, response) => {
    const health = deps.health()
    response.json({ ...health, cache: cacheState(health.redis.cache) })
  })
  return router
}

function readNumber(name: string, given: unknown): number {
  const number = Number(given ?? 0)
  if (Number.isFinite(number)) return number
  throw new GatewayError('BAD_REQUEST', `${name} must be a number`)
}
