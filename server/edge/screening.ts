import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { RateLimits } from '../session/rates.ts'
import { type AllowRequest, refuseHandshake } from './handshakes.ts'
import type { Provenance } from './origins.ts'

export interface ScreeningDeps {
  provenance(request: IncomingMessage): Provenance
  /** Undefined: no limits. */
  rates: RateLimits | undefined
  address(request: IncomingMessage): string
  /** @param origin of the page, where that is why */
  refused(reason: string, origin?: string): void
}

/** Puts what a handshake's headers and address say before everything that costs more. */
export function screenHandshakes(deps: ScreeningDeps, admit: AllowRequest): AllowRequest {
  const { rates } = deps

  function refuse(request: IncomingMessage, error: unknown, origin?: string): void {
    const known =
      error instanceof GatewayError ? error : new GatewayError('INTERNAL', 'internal error')
    deps.refused(known.code.toLowerCase(), origin)
    refuseHandshake(request, known)
  }

  return (request, decide) => {
    if (deps.provenance(request) === 'foreign') {
      const message = 'origin: pages of this origin may not connect (CORS_ALLOW_ORIGIN)'
      return refuse(request, new GatewayError('FORBIDDEN', message), request.headers.origin)
    }
    if (!rates?.limits('CONNECTS')) return admit(request, decide)
    rates.spend({ address: deps.address(request) }, 'CONNECTS').then(
      () => admit(request, decide),
      (error: unknown) => refuse(request, error),
    )
  }
}
