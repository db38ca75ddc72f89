import { type ZodObject, type ZodType, z } from 'zod'
import { API_SCOPES } from '../../session/api-keys.ts'
import type { Route } from './route.ts'

const error = z.object({
  ok: z.literal(false),
  error: z.object({
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    retryAfterMs: z.number().int().optional(),
  }),
})

/** What every operation may answer besides. */
const ERRORS = {
  400: 'The request is malformed; the message begins with the field.',
  401: 'There is no API key, or it is not known.',
  403: 'The API key lacks the scope.',
  409: 'As many of something as there may be are there; the message says what.',
  413: 'The body is too large.',
  429: 'Too many requests; see retryAfterMs.',
  503: 'The store cannot be reached, or nobody knows whether it stored: retry with the same id.',
} as const

/** The server API in OpenAPI 3.1, of the schemas that requests are checked with. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operationOf(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Roomwire server API',
      version,
      description: 'What backends do: publish, read, claim, disconnect. See docs/API.md.',
    },
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: scopesText() },
      },
      schemas: { Error: schemaOf(error, 'output') },
    },
    security: [{ apiKey: [] }],
    paths,
  }
}

function scopesText(): string {
  return `An API key of API_KEYS_FILE. Scopes: ${API_SCOPES.join(', ')}.`
}

function operationOf(route: Route): object {
  const { summary, scope, params, query, headers, body, replies } = route
  const errors = Object.entries(ERRORS).map(([status, description]) => [
    status,
    { description, content: json({ $ref: '#/components/schemas/Error' }) },
  ])
  const successes = Object.entries(replies).map(([status, { description, schema }]) => {
    const reply = z.object({ ok: z.literal(true), ...schema.shape })
    return [status, { description, content: json(schemaOf(reply, 'output')) }]
  })
  return {
    summary,
    description: `Needs the scope ${scope}.`,
    parameters: [
      ...parameters(params, 'path'),
      ...parameters(query, 'query'),
      ...parameters(headers, 'header'),
    ],
    ...(body && { requestBody: { required: true, content: json(schemaOf(body, 'input')) } }),
    responses: Object.fromEntries([...successes, ...errors]),
  }
}

function json(schema: object) {
  return { 'application/json': { schema } }
}

function parameters(of: ZodObject | undefined, where: 'path' | 'query' | 'header'): object[] {
  return Object.entries(of?.shape ?? {}).map(([name, type]) => {
    const schema = schemaOf(type as ZodType, 'input') as { description?: string }
    const required = where === 'path'
    return { name, in: where, required, description: schema.description, schema }
  })
}

function schemaOf(schema: ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
