import { find, setText, within } from '../view/page.ts'
import type { ChartSpec, Line } from './chart-list.ts'
import { createPlot } from './plot.ts'
import type { Column, Recent } from './recent.ts'
import { clock, inWords } from './words.ts'

export interface Chart {
  show(recent: Recent, seconds: number): void
  repaint(): void
}

/** Rows in the table behind a chart. */
const ROWS = 60

/** A chart, the figures it stands for, and the seconds behind them: nothing is only in the drawing. */
export function createChart(list: HTMLElement, spec: ChartSpec): Chart {
  const figure = stampFigure()
  figure.dataset['chart'] = spec.id
  within(figure, 'h3').textContent = spec.title
  within(figure, 'figcaption p').textContent = spec.says
  const details = figure.querySelector('details')
  const rows = within(figure, '.rows')
  rows.tabIndex = 0 // what scrolls has to be within reach of the keyboard
  rows.setAttribute('aria-label', `${spec.title}, second by second`)
  const image = within(figure, '.plot')
  const nowHead = within(figure, '.now')
  const legend = spec.lines.map((line) => legendRow(figure, line))
  headOf(figure, spec.lines)
  list.append(figure)

  let times: number[] = []
  let columns: Column[] = []
  let pointed: number | undefined
  const plot = createPlot(image, spec, (index) => {
    pointed = index
    renderLegend()
  })
  details?.addEventListener('toggle', () => renderRows())

  function renderLegend(): void {
    const at = pointed === undefined ? undefined : times[pointed]
    setText(nowHead, at === undefined ? 'now' : clock(at * 1000))
    for (const [index, cells] of legend.entries()) {
      const column = columns[index] ?? []
      const numbers = column.filter((value) => value !== null)
      const mean = numbers.reduce((sum, value) => sum + value, 0) / (numbers.length || 1)
      const none = numbers.length === 0
      const now = (at === undefined ? column.at(-1) : column[pointed ?? 0]) ?? null
      cells.now.dataset['value'] = String(now)
      setText(cells.now, inWords(now, spec.unit))
      setText(cells.mean, inWords(none ? null : mean, spec.unit))
      setText(cells.highest, inWords(none ? null : Math.max(...numbers), spec.unit))
    }
  }

  function renderRows(): void {
    if (!details?.open) return
    const body = within(figure, '.numbers tbody')
    const from = Math.max(0, times.length - ROWS)
    const made = times.slice(from).map((time, index) => {
      const row = document.createElement('tr')
      row.append(cell('th', clock(time * 1000)))
      for (const column of columns) {
        row.append(cell('td', inWords(column[from + index], spec.unit)))
      }
      return row
    })
    body.replaceChildren(...made.reverse())
  }

  return {
    show(recent, seconds) {
      const names = spec.lines.map(({ figure: name }) => name)
      const outages = spec.outages ?? []
      const read = recent.read([...names, ...outages], seconds)
      times = read.times
      columns = read.columns.slice(0, names.length)
      plot.draw(times, columns, read.columns.slice(names.length))
      renderLegend()
      renderRows()
      const now = columns.map((column, index) => {
        const label = spec.lines[index]?.label ?? ''
        return `${label} ${inWords(column.at(-1), spec.unit)}`
      })
      image.setAttribute('aria-label', `${spec.title} over time. Now: ${now.join(', ')}.`)
    },
    repaint: () => plot.repaint(),
  }
}

function stampFigure(): HTMLElement {
  const { content } = find('chart-template', HTMLTemplateElement)
  return within(content.cloneNode(true) as DocumentFragment, 'figure')
}

function legendRow(figure: HTMLElement, line: Line) {
  const row = document.createElement('tr')
  row.dataset['line'] = line.figure
  const name = cell('th', line.label)
  name.className = `line colour-${line.colour}${line.all ? ' all' : ''}`
  const cells = { now: cell('td', ''), mean: cell('td', ''), highest: cell('td', '') }
  row.append(name, cells.now, cells.mean, cells.highest)
  within(figure, '.legend tbody').append(row)
  return cells
}

function headOf(figure: HTMLElement, lines: readonly Line[]): void {
  const row = document.createElement('tr')
  for (const text of ['Time', ...lines.map(({ label }) => label)]) {
    const head = cell('th', text)
    head.scope = 'col'
    row.append(head)
  }
  within(figure, '.numbers thead').append(row)
}

function cell(kind: 'th' | 'td', text: string): HTMLTableCellElement {
  const made = document.createElement(kind)
  if (kind === 'th') made.scope = 'row'
  else made.className = 'number'
  made.textContent = text
  return made
}
