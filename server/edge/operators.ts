import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { GatewayError } from '../errors.ts'

const LOOPBACK = /^(::1|(::ffff:)?127\.\d+\.\d+\.\d+)$/
/** Set by proxies, for which loopback says nothing about who asks. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const
/** Names of loopback in `Host`: a page elsewhere whose name was made to point here has its own. */
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/**
 * Lets operators pass: with `Authorization: Bearer <token>` where there is a token, else from loopback
 * and neither through a proxy nor from a page, but for our own pages' reading.
 */
export function operatorsOnly(token: string | undefined): RequestHandler {
  return (request, _response, next) => {
    if (token === undefined) {
      const direct = FORWARDED.every((header) => request.headers[header] === undefined)
      const here = LOOPBACK.test(request.socket.remoteAddress ?? '')
      if (direct && here && !isForeignPage(request)) return next()
      throw new GatewayError(
        'FORBIDDEN',
        'set OPERATOR_TOKEN, or ask from the machine itself, without a proxy',
      )
    }
    const given = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (given === undefined) throw new GatewayError('UNAUTHORIZED', 'a bearer token is needed')
    if (!same(given, token))
      throw new GatewayError('FORBIDDEN', 'the token is not the operator\u2019s')
    next()
  }
}

/** Any page may make a browser on the operator's machine ask; browsers say so in these headers. */
function isForeignPage({ method, headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  if (headers.origin !== undefined) return true
  if (site === undefined) return false
  const ours = (site === 'same-origin' || site === 'none') && LOOPBACK_HOST.test(headers.host ?? '')
  return !(ours && method === 'GET')
}

/** In constant time, whatever the lengths. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
