import { createGateway, type Gateway, type Overrides, readConfig } from '../../server/gateway.ts'
import { eventually } from './eventually.ts'
import type { Scope } from './scope.ts'

/** A gateway in this process: cheaper than one of its own, and open to inspection. */
export interface InProcessGateway extends Gateway {
  readonly url: string
}

/** Starts one on a free port, silent unless told otherwise; resolves once it is ready. */
export async function startInProcess(
  scope: Scope,
  env: Readonly<Record<string, string>> = {},
  overrides: Overrides = {},
): Promise<InProcessGateway> {
  const { config } = readConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    // Ended by tests that are over: nobody waits for the clients to leave.
    DRAIN_NOTICE: '0ms',
    DRAIN_PERIOD: '0ms',
    SHUTDOWN_TIMEOUT: '2s',
    ...env,
  })
  const gateway = createGateway(config, overrides)
  const { host, port } = await gateway.start()
  scope.defer(() => gateway.stop())
  await eventually(() => gateway.health().ready, { what: 'a ready gateway', timeoutMs: 30_000 })
  return { ...gateway, url: `http://${host}:${port}` }
}
