import type { ZodObject, ZodType, z } from 'zod'
import type { ApiKey, ApiScope } from '../../session/api-keys.ts'

/** A reply as it goes out, without `ok`. */
export interface ApiReply {
  status: number
  body: object
}

type Output<S> = S extends ZodType ? z.output<S> : undefined

/**
 * One operation of the server API. The router and the OpenAPI document are both made of these, so that
 * neither can say something else than the other.
 */
export interface Route<
  Params extends ZodObject = ZodObject,
  Query extends ZodObject | undefined = ZodObject | undefined,
  Headers extends ZodObject | undefined = ZodObject | undefined,
  Body extends ZodType | undefined = ZodType | undefined,
> {
  method: 'get' | 'post' | 'delete'
  /** As express writes it: `/api/rooms/:room`. */
  path: string
  summary: string
  /** What a key must be good for. */
  scope: ApiScope
  params: Params
  query?: Query
  /** Of headers in lower case. */
  headers?: Headers
  body?: Body
  /** Successful replies by status, without `ok`. */
  replies: Record<number, { description: string; schema: ZodObject }>
  handle(request: {
    params: z.output<Params>
    query: Output<Query>
    headers: Output<Headers>
    body: Output<Body>
    key: ApiKey
  }): Promise<ApiReply>
}

/** Checks a route's types among each other. */
export function route<
  Params extends ZodObject,
  Query extends ZodObject | undefined = undefined,
  Headers extends ZodObject | undefined = undefined,
  Body extends ZodType | undefined = undefined,
>(of: Route<Params, Query, Headers, Body>): Route {
  return of as unknown as Route
}
