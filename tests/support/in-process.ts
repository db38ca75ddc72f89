import { createGateway, type Gateway, type Overrides, readConfig } from '../../server/gateway.ts'
import type { Environment } from '../../server/option-reader.ts'
import type { Scope } from './scope.ts'

/** A gateway in this process: cheaper than one of its own, and open to inspection. */
export interface InProcessGateway extends Gateway {
  readonly url: string
}

/** Starts one on a port of its own choice, silent unless told otherwise; resolves once it is ready. */
export async function startInProcess(
  scope: Scope,
  env: Environment = {},
  overrides: Overrides = {},
): Promise<InProcessGateway> {
  const { config } = readConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'silent',
    SHUTDOWN_TIMEOUT: '2',
    ...env,
  })
  const gateway = createGateway(config, overrides)
  const { host, port } = await gateway.start()
  scope.defer(() => gateway.stop())
  return { ...gateway, url: `http://${host}:${port}` }
}
