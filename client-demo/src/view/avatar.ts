import type { Sender } from '../../../server/protocol.ts'

export const displayName = ({ id, name }: Sender): string => name ?? id.slice(0, 8)

/**
 * Initials on a hue that belongs to the sender, so that two people of one name differ; on grey while
 * the id is not known (empty).
 */
export function paintAvatar(element: HTMLElement, sender: Sender): void {
  const words = displayName(sender).trim().split(/\s+/)
  const initials = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  element.textContent = initials
    .map((word) => Array.from(word ?? '')[0] ?? '')
    .join('')
    .toUpperCase()
  element.style.removeProperty('--hue')
  if (sender.id === '') return
  let hash = 0
  for (const char of sender.id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360
  element.style.setProperty('--hue', String(hash))
}
