/** A stretch of a text; `url` where it is an address to go to. */
export interface Stretch {
  text: string
  url?: string
}

/** Longer ones are no use as links, and take long to look at. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"]{1,2000}/gi
/** What ends a sentence around an address rather than the address. */
const TRAILING = /[.,:;!?…'’”»*_~`|]+$/
const BRACKETS: readonly [string, string][] = [
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
]

/** Finds the http and https addresses in a text; nothing of the text is changed or left out. */
export function findLinks(text: string): Stretch[] {
  const stretches: Stretch[] = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = withoutSentence(found)
    if (!URL.canParse(address)) continue
    if (index > end) stretches.push({ text: text.slice(end, index) })
    stretches.push({ text: address, url: address })
    end = index + address.length
  }
  if (end < text.length) stretches.push({ text: text.slice(end) })
  return stretches
}

/** Takes away what follows an address in a sentence: punctuation, and a bracket that it did not open. */
function withoutSentence(found: string): string {
  let address = found
  for (;;) {
    const rest = address.replace(TRAILING, '')
    const closes = BRACKETS.some(
      ([open, close]) => rest.endsWith(close) && count(rest, close) > count(rest, open),
    )
    const shorter = closes ? rest.slice(0, -1) : rest
    if (shorter === address) return address
    address = shorter
  }
}

const count = (text: string, char: string): number => text.split(char).length - 1
