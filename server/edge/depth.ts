/**
 * Levels of arrays and objects in a packet: our own requests take 100 and say so, JSON of other events
 * may have any that a person would write.
 */
const MAX_DEPTH = 1000
/** What is left of a request that is deeper: enough for it to be refused by its field. */
const KEPT_DEPTH = 200

const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** A Socket.IO packet that asks something of us. */
const OWN_REQUEST = /^(2|5\d+-)(\/,)?\d*\["(room|gateway|auth):/

/**
 * A Socket.IO packet that can be parsed in no time: 600 kB of brackets kept the process from everybody
 * else for 170 ms. A request of ours loses what is too deep, since it is refused anyway and its sender
 * is to be told; anything else becomes a packet that is none.
 */
export function boundDepth(packet: string): string {
  // A level takes two characters; most texts have few brackets.
  if (packet.length < 2 * MAX_DEPTH || !hasBrackets(packet)) return packet
  if (depthOf(packet) <= MAX_DEPTH) return packet
  return OWN_REQUEST.test(packet) ? withoutDepths(packet) : NO_PACKET
}

const NO_PACKET = '2!'

function hasBrackets(text: string): boolean {
  let found = 0
  for (const bracket of ['[', '{']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      found += 1
      if (found > MAX_DEPTH) return true
    }
  }
  return false
}

function depthOf(text: string): number {
  let deepest = 0
  walk(text, (depth) => {
    if (depth > deepest) deepest = depth
  })
  return deepest
}

/** Puts a 0 in the place of what is too deep. */
function withoutDepths(text: string): string {
  let kept = ''
  let from = 0
  walk(text, (depth, at, opens) => {
    if (depth !== KEPT_DEPTH + (opens ? 1 : 0)) return
    if (opens) {
      kept += `${text.slice(from, at)}0`
      from = text.length // until it closes, if it does
    } else from = at + 1
  })
  return kept + text.slice(from)
}

/** Tells of each bracket outside of strings, and of the depth behind it. */
function walk(text: string, bracket: (depth: number, at: number, opens: boolean) => void): void {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (quoted) {
      if (code === BACKSLASH) at += 1
      else if (code === QUOTE) quoted = false
    } else if (code === QUOTE) quoted = true
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) bracket(++depth, at, true)
    else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) bracket(--depth, at, false)
  }
}
