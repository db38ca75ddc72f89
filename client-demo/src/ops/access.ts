import { find, setText } from '../view/page.ts'

/** In this tab only, and only until it is closed. */
const KEY = 'roomwire-operator-token'

/** Whether the gateway lets this page see: the token, and the form that asks for it. */
export interface Access {
  readonly token: string | undefined
  granted(): void
  refused(status: 401 | 403, why: string): void
}

function reasonText(why: string, { wrong, none }: { wrong: boolean; none: boolean }): string {
  if (wrong) return `The gateway did not accept this token: ${why}.`
  return none ? `This page is not shown to everybody: ${why}.` : `To see this page, ${why}.`
}

/** @param given called with each new token */
export function createAccess(given: () => void): Access {
  const form = find('access', HTMLFormElement)
  const input = find('token', HTMLInputElement)
  const entry = find('access-entry', HTMLElement)
  const reason = find('access-why', HTMLElement)
  const board = find('board', HTMLElement)
  let token = sessionStorage.getItem(KEY) ?? undefined

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    token = input.value.trim()
    sessionStorage.setItem(KEY, token)
    input.value = ''
    given()
  })

  return {
    get token() {
      return token
    },
    granted() {
      form.hidden = true
      board.hidden = false
    },
    refused(status, why) {
      const wrong = status === 403 && token !== undefined
      // Refused without having been asked for one: it has none, and would take none.
      entry.hidden = status === 403 && !wrong
      board.hidden = true
      const appears = form.hidden
      form.hidden = false
      setText(reason, reasonText(why, { wrong, none: entry.hidden }))
      sessionStorage.removeItem(KEY)
      token = undefined
      if (appears || wrong) input.focus()
    },
  }
}
