import { z } from 'zod'
import { DEFAULT_HISTORY, MAX_HISTORY, messageId, roomName, wellFormed } from '../../protocol.ts'

/** The shapes that several operations of the server API share. */
export const roomParams = z.object({ room: roomName.describe('Percent-encoded.') })

export const limitQuery = z.preprocess(
  // `?limit=` names no number: coercion alone would make it 0.
  (given) => (typeof given === 'string' && given.trim() === '' ? Number.NaN : given),
  z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_HISTORY)
    .default(DEFAULT_HISTORY)
    .describe('How many at most.'),
)

export const sender = z.object({
  id: wellFormed(128),
  name: wellFormed(64).optional(),
})

const time = z.number().int().describe('ms since 1970')

export const position = z.object({
  epoch: z.string(),
  offset: z.number().int(),
  at: time.optional(),
})

export const storedMessage = z.object({
  room: z.string(),
  epoch: z.string(),
  offset: z.number().int(),
  id: messageId,
  from: sender,
  body: z.unknown().describe('Any JSON value.'),
  at: time,
  labels: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Of a message that was classified.'),
})

export const memberList = z.object({
  count: z.number().int().describe('Users; beyond 10,000 some may be counted twice.'),
  members: z.array(z.object({ user: sender, since: time })),
  missing: z
    .array(z.string())
    .optional()
    .describe('Instances that do not answer: their users may be others by now.'),
})
