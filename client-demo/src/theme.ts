import { createStored, isString } from './storage.ts'

/** Light or dark: as the system has it, until the visitor decides otherwise. */
export interface Theme {
  toggle(): void
}

/** Applies the theme at once; `applied` is told now and after every change. */
export function createTheme(applied: (dark: boolean) => void): Theme {
  const stored = createStored(() => localStorage, 'roomwire.theme', isString)
  const system = matchMedia('(prefers-color-scheme: dark)')
  let chosen = stored.read()

  const isDark = () => (chosen === undefined ? system.matches : chosen === 'dark')
  function apply(): void {
    if (chosen !== undefined) document.documentElement.dataset['theme'] = chosen
    applied(isDark())
  }
  system.addEventListener('change', apply)
  apply()

  return {
    toggle() {
      chosen = isDark() ? 'light' : 'dark'
      stored.write(chosen)
      apply()
    },
  }
}
