import { hash } from 'node:crypto'

/** What of a body is text: itself, or its `text`. Undefined where it has none. */
export function textOf(body: unknown): string | undefined {
  const text =
    typeof body === 'object' && body !== null && 'text' in body ? (body.text as unknown) : body
  return typeof text === 'string' && text.trim() !== '' ? text : undefined
}

/** The same for texts that read the same: composed characters, single spaces, none at the ends. */
export function normalizedText(text: string): string {
  return text.normalize('NFC').replace(/\s+/g, ' ').trim()
}

/** Short, and the same for bodies whose texts read the same and whose keys only differ in order. */
export function digestOf(body: unknown): string {
  return hash('sha256', JSON.stringify(normalized(body)), 'base64url').slice(0, 27)
}

/** Bodies are nested at most MAX_BODY_DEPTH deep. */
function normalized(value: unknown): unknown {
  if (typeof value === 'string') return normalizedText(value)
  if (Array.isArray(value)) return ['list', ...value.map(normalized)]
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => [key, normalized(inner)] as const)
  return ['object', ...entries.sort(([a], [b]) => (a < b ? -1 : 1))]
}
