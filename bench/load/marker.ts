/**
 * What the load generator writes into a message's body and finds again in whatever a server makes of
 * it: when it was sent, by whom, and its number among this sender's messages to the room. Digits at
 * fixed places, so that nothing has to be parsed.
 */
export interface Marker {
  /** µs, see clock.ts. */
  sentAt: number
  sender: number
  /** From 1. */
  number: number
}

const SENT_AT = 16
const SENDER = 4
const NUMBER = 8
export const MARKER_CHARS = SENT_AT + SENDER + NUMBER

/** A body of so many characters, all ASCII. */
export function markedBody({ sentAt, sender, number }: Marker, chars: number): string {
  const digits = (value: number, width: number) => String(Math.round(value)).padStart(width, '0')
  return (digits(sentAt, SENT_AT) + digits(sender, SENDER) + digits(number, NUMBER)).padEnd(
    chars,
    'x',
  )
}

/** Undefined when there is no marker at that place. */
export function readMarker(buffer: Buffer, start: number): Marker | undefined {
  const sentAt = readDigits(buffer, start, SENT_AT)
  const sender = readDigits(buffer, start + SENT_AT, SENDER)
  const number = readDigits(buffer, start + SENT_AT + SENDER, NUMBER)
  return Number.isNaN(sentAt + sender + number) ? undefined : { sentAt, sender, number }
}

function readDigits(buffer: Buffer, start: number, width: number): number {
  let value = 0
  for (let at = start; at < start + width; at += 1) {
    const digit = (buffer[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}
