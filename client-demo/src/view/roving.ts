/**
 * One stop for the Tab key in a list, the arrow keys within it. `items` are those that can be
 * focused, in their order; returns what has to be called after they changed, with the preferred one.
 */
export function rove(
  list: HTMLElement,
  items: () => HTMLElement[],
): (preferred: HTMLElement | undefined) => void {
  let stop: HTMLElement | undefined

  function settle(preferred: HTMLElement | undefined): void {
    const all = items()
    stop = all.find((item) => item === document.activeElement) ?? preferred ?? all[0]
    for (const item of all) item.tabIndex = item === stop ? 0 : -1
  }

  list.addEventListener('keydown', (event) => {
    const all = items()
    const here = all.indexOf(event.target as HTMLElement)
    if (here < 0) return
    const steps: Partial<Record<string, number>> = {
      ArrowDown: here + 1,
      ArrowUp: here - 1,
      Home: 0,
      End: all.length - 1,
    }
    const next = all[steps[event.key] ?? -1]
    if (!next) return
    event.preventDefault()
    next.focus()
    settle(next)
  })
  return settle
}
