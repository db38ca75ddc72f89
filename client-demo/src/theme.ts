import { createStored } from './storage.ts'

export type Choice = 'system' | 'light' | 'dark'

/** Light or dark, on both pages: as the system has it, until the visitor decides otherwise. */
export interface Theme {
  readonly chosen: Choice
  choose(choice: Choice): void
  toggle(): void
}

/** Applies the theme at once; `applied` is told now and after every change. */
export function createTheme(applied: (dark: boolean) => void): Theme {
  const stored = createStored(() => localStorage, 'roomwire.theme', isChoice)
  const system = matchMedia('(prefers-color-scheme: dark)')
  let chosen = stored.read() ?? 'system'

  const isDark = () => (chosen === 'system' ? system.matches : chosen === 'dark')
  function apply(): void {
    document.documentElement.dataset['theme'] = chosen
    applied(isDark())
  }
  function choose(choice: Choice): void {
    chosen = choice
    stored.write(chosen)
    apply()
  }
  system.addEventListener('change', apply)
  apply()

  return {
    get chosen() {
      return chosen
    },
    choose,
    toggle: () => choose(isDark() ? 'light' : 'dark'),
  }
}

const isChoice = (value: unknown): value is Choice =>
  value === 'system' || value === 'light' || value === 'dark'
