/** Room names, in which `*` stands for anything, also for nothing, and `{sub}` for the user. */
export interface RoomPatterns {
  match(room: string, user: string): boolean
}

/** Of one list; more than that is a mistake, and grants nothing. */
const MAX_PATTERNS = 500
const MAX_LENGTH = 300

/** @param patterns what is no pattern grants nothing */
export function createRoomPatterns(patterns: readonly unknown[]): RoomPatterns {
  const known = patterns.slice(0, MAX_PATTERNS).filter(isPattern)
  const exact = new Set(known.filter((pattern) => !/[*{]/.test(pattern)))
  // The user comes in after the wildcards were found: one who is called `*` gets no more than that.
  const others = known
    .filter((pattern) => !exact.has(pattern))
    .map((pattern) => pattern.split('*').map((part) => part.split('{sub}')))

  return {
    match: (room, user) =>
      exact.has(room) ||
      others.some((pattern) =>
        matches(
          room,
          pattern.map((part) => part.join(user)),
        ),
      ),
  }
}

function isPattern(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH
}

/** In time proportional to the lengths: the parts between wildcards are found from left to right. */
function matches(room: string, parts: readonly string[]): boolean {
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return room === first
  if (!room.startsWith(first) || !room.endsWith(last)) return false
  let from = first.length
  const end = room.length - last.length
  for (const part of rest) {
    const found = room.indexOf(part, from)
    if (found === -1) return false
    from = found + part.length
  }
  return from <= end
}
