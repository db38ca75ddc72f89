import { createRowLayout } from './row-layout.ts'

/** What a list shows; an element that is asked for again is the same. */
export interface Row {
  readonly element: HTMLElement
}

export interface RowWindow {
  /** How many rows exist at present. */
  readonly existing: number
  /** Key of the last row that is wholly in sight. */
  readonly lastInSight: string | undefined
  /** Whether the end is in sight and stays there when rows are added. */
  readonly following: boolean
  /** The rows of another list: begins at the end. */
  begin(): void
  /** Shows these rows from now on; what is being read stays where it is. */
  show(keys: readonly string[]): void
  follow(): void
  /** Brings a row into sight, if only just, and returns it. */
  reveal(index: number): HTMLElement | undefined
}

export interface RowWindowDeps {
  scroll: HTMLElement
  list: HTMLElement
  /** The row as it is to be now: called for those that come near sight, and after `show`. */
  row: (key: string, index: number) => Row
  /** Rows came or went, or the scroll position changed. */
  moved: () => void
}

interface Anchor {
  key: string
  above: number
}

/** Above and below what is in sight, so that a flick of the wheel meets no void. */
const MARGIN_PX = 500
/** Nearer to the end than this, moving down, the reader wants to follow again. */
const END_PX = 60
/** The heading of a day goes when earlier messages of it come: others beside it stay. */
const ANCHORS = 4
/** Measuring moves rows, which brings others into sight: this often at most. */
const TURNS = 5

/**
 * A list of which only the rows near sight are in the document. They lie at their places in a list as
 * high as all of them would be, so that scrolling is the browser's own.
 */
export function createRowWindow({ scroll, list, row, moved }: RowWindowDeps): RowWindow {
  const layout = createRowLayout()
  let rows = new Map<string, Row>()
  let following = true
  let lastTop = 0
  let width = 0

  const fromEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight
  /** Of the scrolled content, from the first row's top. */
  const sight = () => scroll.scrollTop - list.offsetTop

  /** The first rows in sight, and how far above the edge each begins. Of these one will remain. */
  function anchors(): Anchor[] {
    const first = layout.at(sight())
    return layout.keys
      .slice(first, first + ANCHORS)
      .map((key, step) => ({ key, above: sight() - layout.top(first + step) }))
  }

  /** `stale`: what the rows say may have changed, and not only which of them are near sight. */
  function exist(stale: boolean): void {
    const first = layout.at(sight() - MARGIN_PX)
    const last = layout.at(sight() + scroll.clientHeight + MARGIN_PX)
    const kept = new Map<string, Row>()
    const keep = (index: number) => {
      const key = layout.keys[index]
      if (key === undefined) return
      kept.set(key, (!stale && rows.get(key)) || row(key, index))
    }
    // Focus that left the document would be lost: its row stays, wherever it is.
    const focused = [...rows].find(([, { element }]) => element.contains(document.activeElement))
    const pinned = focused ? layout.indexOf(focused[0]) : -1
    if (pinned >= 0 && pinned < first) keep(pinned)
    for (let index = first; index <= last; index += 1) keep(index)
    if (pinned > last) keep(pinned)

    for (const [key, { element }] of rows) if (!kept.has(key)) element.remove()
    rows = kept
    let cursor = list.firstElementChild
    for (const { element } of kept.values()) {
      if (element === cursor) cursor = cursor.nextElementSibling
      else list.insertBefore(element, cursor)
    }
  }

  function measure(): boolean {
    let changed = false
    for (const [key, { element }] of rows) {
      changed = layout.measure(key, element.offsetHeight) || changed
    }
    return changed
  }

  function place(fixed: Anchor[], stale = false): void {
    for (let turn = 0; turn < TURNS; turn += 1) {
      list.style.height = `${layout.total}px`
      const fixedTo = fixed.find(({ key }) => layout.indexOf(key) >= 0)
      if (following) scroll.scrollTop = scroll.scrollHeight
      else if (fixedTo) {
        const top = layout.top(layout.indexOf(fixedTo.key))
        const wanted = list.offsetTop + top + fixedTo.above
        if (Math.abs(wanted - scroll.scrollTop) >= 1) scroll.scrollTop = wanted
      }
      exist(stale && turn === 0)
      if (!measure()) break
    }
    for (const [key, { element }] of rows) {
      element.style.transform = `translateY(${layout.top(layout.indexOf(key))}px)`
    }
    lastTop = scroll.scrollTop
    moved()
  }

  scroll.addEventListener('scroll', () => {
    const distance = fromEnd()
    if (distance < 4) following = true
    else if (scroll.scrollTop < lastTop) following = false
    else if (scroll.scrollTop > lastTop) following = distance < END_PX
    place(anchors())
  })
  // While messages pour in, the end moves faster than anyone scrolls: wanting to is enough.
  scroll.addEventListener(
    'wheel',
    ({ deltaY }) => {
      if (deltaY < 0 && scroll.scrollTop > 0) following = false
    },
    { passive: true },
  )
  new ResizeObserver(() => {
    const fixed = anchors()
    if (scroll.clientWidth !== width) layout.forget()
    width = scroll.clientWidth
    place(fixed)
  }).observe(scroll)

  return {
    get existing() {
      return rows.size
    },
    get lastInSight() {
      const bottom = sight() + scroll.clientHeight
      const index = layout.at(bottom)
      const whole = layout.top(index + 1) <= bottom + 1 ? index : index - 1
      return layout.keys[Math.max(whole, 0)]
    },
    get following() {
      return following
    },
    begin() {
      for (const { element } of rows.values()) element.remove()
      rows = new Map()
      layout.forget()
      layout.arrange([])
      following = true
    },
    show(keys) {
      const fixed = anchors()
      layout.arrange(keys)
      place(fixed, true)
    },
    follow() {
      following = true
      place([])
    },
    reveal(index) {
      const key = layout.keys[index]
      if (key === undefined) return undefined
      const top = layout.top(index)
      const bottom = top + layout.height(index)
      following = index === layout.keys.length - 1
      if (top < sight()) scroll.scrollTop = list.offsetTop + top
      else if (bottom > sight() + scroll.clientHeight) {
        scroll.scrollTop = list.offsetTop + bottom - scroll.clientHeight
      }
      place(anchors())
      return rows.get(key)?.element
    },
  }
}
