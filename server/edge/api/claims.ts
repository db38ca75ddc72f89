import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { messageId, wellFormed } from '../../protocol.ts'
import type { ClaimStore } from '../../rooms/claims.ts'
import { type Route, route } from './route.ts'
import { roomParams } from './schemas.ts'

const MAX_LEASE_MS = 86_400_000

const target = {
  id: messageId.describe('What is claimed: most often the id of a message.'),
  group: wellFormed(64).describe('Consumers of different groups do not compete.'),
}
const holder = wellFormed(128)

/** One consumer: of several backends that read the same message, one answers it. */
export function claimRoutes({ claims }: { claims: ClaimStore }): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/rooms/:room/claims',
      summary:
        'Takes a claim: one of all who ask wins. The winner renews it by asking again; when its lease ends, somebody else may win.',
      scope: 'claim',
      params: roomParams,
      body: z.object({
        ...target,
        leaseMs: z.number().int().min(100).max(MAX_LEASE_MS),
        holder: holder
          .optional()
          .describe(
            'Who claims: a name for each process, of at most 128 characters. Unset: a new one.',
          ),
        done: z
          .boolean()
          .default(false)
          .describe('It needs no further work: nobody takes it over until the lease ends.'),
      }),
      replies: {
        200: {
          description:
            '`claimed: false`: somebody else has it; try again after `retryAfterMs`, unless it is done.',
          schema: z.object({
            claimed: z.boolean(),
            done: z.boolean(),
            holder: holder.optional().describe('The winner.'),
            leaseMs: z.number().int().optional(),
            retryAfterMs: z.number().int().optional(),
          }),
        },
      },
      async handle({ params: { room }, body, key }) {
        const { id, group, leaseMs, done } = body
        const name = body.holder ?? randomUUID()
        const claim = { room, group, id, holder: holderOf(key.name, name), leaseMs, done }
        const outcome = await claims.claim(claim)
        const rest = outcome.won
          ? { holder: name, leaseMs: outcome.remainingMs }
          : { retryAfterMs: outcome.remainingMs }
        return { status: 200, body: { claimed: outcome.won, done: outcome.done, ...rest } }
      },
    }),
    route({
      method: 'delete',
      path: '/api/rooms/:room/claims',
      summary: 'Gives a claim up, so that others may win at once.',
      scope: 'claim',
      params: roomParams,
      body: z.object({ ...target, holder }),
      replies: {
        200: {
          description: '`released: false`: it was not the holder’s, or is done.',
          schema: z.object({ released: z.boolean() }),
        },
      },
      async handle({ params: { room }, body: { id, group, holder: name }, key }) {
        const claim = { room, group, id, holder: holderOf(key.name, name) }
        return { status: 200, body: { released: await claims.release(claim) } }
      },
    }),
  ]
}

/** Nobody speaks for another key's holder. */
function holderOf(key: string, name: string): string {
  return `${key}:${name}`
}
