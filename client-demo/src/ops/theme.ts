import { find } from '../view/page.ts'

const KEY = 'roomwire-ops-theme'
const DARK = '(prefers-color-scheme: dark)'

/**
 * Lets who looks choose the colours. The style sheets know dark ones by a media query only; the choice
 * makes these queries always true, or never. `changed` is called when colours are others.
 */
export function startTheme(changed: () => void): void {
  const select = find('theme', HTMLSelectElement)
  const queries = [...document.styleSheets]
    .flatMap((sheet) => [...sheet.cssRules])
    .filter((rule) => rule instanceof CSSMediaRule)
    .filter((rule) => rule.conditionText === DARK)

  function apply(theme: string): void {
    document.documentElement.style.colorScheme = theme === 'system' ? '' : theme
    for (const { media } of queries) {
      media.mediaText = theme === 'dark' ? 'all' : theme === 'light' ? 'not all' : DARK
    }
    changed()
  }

  select.addEventListener('change', () => {
    localStorage.setItem(KEY, select.value)
    apply(select.value)
  })
  matchMedia(DARK).addEventListener('change', changed)
  const kept = localStorage.getItem(KEY)
  if (kept === 'light' || kept === 'dark') select.value = kept
  apply(select.value)
}
