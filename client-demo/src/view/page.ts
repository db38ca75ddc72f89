/** The element of the page with this id; that it exists is a matter of index.html. */
export function find<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`)
  return element
}

/** The element inside `parent` that this selector names. */
export function within(parent: ParentNode, selector: string): HTMLElement {
  const element = parent.querySelector(selector)
  if (!(element instanceof HTMLElement)) throw new Error(`the template has no ${selector}`)
  return element
}

/** A fresh copy of the list item in the template with this id. */
export function stamp(templateId: string): HTMLLIElement {
  const { content } = find(templateId, HTMLTemplateElement)
  const item = content.firstElementChild?.cloneNode(true)
  if (!(item instanceof HTMLLIElement)) throw new Error(`#${templateId} holds no list item`)
  return item
}

/** Writes only what differs: an unchanged live region must not be announced again. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** A button that does one thing, for places that come and go. */
export function button(text: string, press: () => void): HTMLButtonElement {
  const element = document.createElement('button')
  element.type = 'button'
  element.className = 'quiet small'
  element.textContent = text
  element.addEventListener('click', press)
  return element
}

/** Hidden windows get no animation frames, and have to count what is unread as well. */
const HIDDEN_MS = 100

/** Runs `render` once for all changes between two frames. */
export function coalesce(render: () => void): () => void {
  let frame: number | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  function run(): void {
    if (frame !== undefined) cancelAnimationFrame(frame)
    clearTimeout(timer)
    frame = undefined
    render()
  }

  return () => {
    if (frame !== undefined) return
    frame = requestAnimationFrame(run)
    timer = setTimeout(run, HIDDEN_MS)
  }
}
