import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { GatewayError } from '../errors.ts'

const LOOPBACK = /^(::1|(::ffff:)?127\.\d+\.\d+\.\d+)$/
/** Set by proxies, for which loopback says nothing about who asks. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const
/** Set by browsers: any page may make one on the operator's machine ask. */
const BROWSER = ['origin', 'sec-fetch-site'] as const

/**
 * Lets operators pass: with `Authorization: Bearer <token>` where there is a token, else from loopback
 * and neither through a proxy nor from a page.
 */
export function operatorsOnly(token: string | undefined): RequestHandler {
  return (request, _response, next) => {
    if (token === undefined) {
      const suspect = [...FORWARDED, ...BROWSER]
      const direct = suspect.every((header) => request.headers[header] === undefined)
      if (direct && LOOPBACK.test(request.socket.remoteAddress ?? '')) return next()
      throw new GatewayError('FORBIDDEN', 'set OPERATOR_TOKEN, or ask from loopback')
    }
    const given = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (given === undefined) throw new GatewayError('UNAUTHORIZED', 'a bearer token is needed')
    if (!same(given, token))
      throw new GatewayError('FORBIDDEN', 'the token is not the operator\u2019s')
    next()
  }
}

/** In constant time, whatever the lengths. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
