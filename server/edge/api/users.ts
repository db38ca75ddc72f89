import { z } from 'zod'
import { wellFormed } from '../../protocol.ts'
import type { Control } from '../../session/revocations.ts'
import { type Route, route } from './route.ts'

const userParams = z.object({ user: wellFormed(128).describe('The id that others see.') })
const tokenId = wellFormed(256).describe('Its `jti`.')
const until = z
  .number()
  .int()
  .optional()
  .describe('ms since 1970 from which no such token is valid any more. Unset: in a day.')
const told = { 202: { description: 'Every instance acts within a second.', schema: z.object({}) } }

/** People on any instance. */
export function userRoutes({ control }: { control: Control }): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/users/:user/disconnect',
      summary: 'Ends the connections of a user on all instances.',
      scope: 'users',
      params: userParams,
      body: z.object({
        reconnect: z
          .boolean()
          .default(false)
          .describe('true: clients come back by themselves. false: they stay away.'),
      }),
      replies: told,
      async handle({ params: { user }, body: { reconnect } }) {
        await control.disconnectUser(user, { reconnect })
        return { status: 202, body: {} }
      },
    }),
    route({
      method: 'post',
      path: '/api/users/:user/revoke',
      summary: 'Refuses all tokens that a user was given up to now, and ends their connections.',
      scope: 'users',
      params: userParams,
      body: z.object({ until }),
      replies: told,
      async handle({ params: { user }, body }) {
        await control.revoke({ user, ...(body.until !== undefined && { until: body.until }) })
        return { status: 202, body: {} }
      },
    }),
    route({
      method: 'post',
      path: '/api/tokens/revoke',
      summary: 'Refuses one token, and ends the connections that it opened.',
      scope: 'users',
      params: z.object({}),
      body: z.object({ tokenId, until }),
      replies: told,
      async handle({ body }) {
        const { tokenId: id } = body
        await control.revoke({
          tokenId: id,
          ...(body.until !== undefined && { until: body.until }),
        })
        return { status: 202, body: {} }
      },
    }),
  ]
}
