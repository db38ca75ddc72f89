import { createTheme } from '../theme.ts'
import { find } from './page.ts'

/** Light or dark, by a press. */
export function createThemeSwitch(): void {
  const toggle = find('theme', HTMLButtonElement)
  const theme = createTheme((dark) => {
    toggle.ariaPressed = String(dark)
  })
  toggle.addEventListener('click', theme.toggle)
}
