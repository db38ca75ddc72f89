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

/** Runs `render` once for all changes of one turn. */
export function coalesce(render: () => void): () => void {
  let due = false
  return () => {
    if (due) return
    due = true
    // A timer, not an animation frame: hidden windows have to count what is unread as well.
    setTimeout(() => {
      due = false
      render()
    })
  }
}
