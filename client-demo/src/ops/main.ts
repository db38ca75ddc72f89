import { type Choice, createTheme } from '../theme.ts'
import { find, setText, within } from '../view/page.ts'
import { createAccess } from './access.ts'
import { createChart } from './chart.ts'
import { charts as specs } from './chart-list.ts'
import type { OperationsData } from './data.ts'
import { createEventList } from './event-list.ts'
import { showInstances } from './instance-table.ts'
import { createRecent } from './recent.ts'
import { ask } from './source.ts'
import { judge, sumUp, type Verdict } from './verdict.ts'
import { duration } from './words.ts'

const EVERY_MS = 1000

const access = createAccess(() => void poll())
const recent = createRecent()
const events = createEventList()
const headline = find('headline', HTMLElement)
const source = find('source', HTMLElement)
const span = find('window', HTMLSelectElement)
for (const scroller of document.querySelectorAll('.scroll')) {
  if (scroller instanceof HTMLElement) scroller.tabIndex = 0 // within reach of the keyboard
}
access.granted() // charts are made in a place that has a width
const charts = specs.map((spec) => createChart(find('chart-list', HTMLElement), spec))
let boot = ''
let revision = 0
let answeredAt = Date.now()

function show(data: OperationsData): void {
  if (data.whole) {
    recent.clear()
    events.clear()
  }
  boot = data.boot
  revision = data.revision
  recent.add(data.history)
  events.add(data.events)
  showInstances(data.cluster.instances)
  const tiles = judge(data, recent)
  for (const [name, verdict] of Object.entries(tiles)) showTile(name, verdict)
  showHeadline(sumUp(tiles))
  setText(source, `As ${data.instance} sees it`)
  showCharts()
}

function showCharts(): void {
  for (const chart of charts) chart.show(recent, Number(span.value))
}

function showTile(name: string, { state, value, words }: Verdict): void {
  const tile = find(`tile-${name}`, HTMLElement)
  tile.dataset['state'] = state
  setText(within(tile, '.value'), value)
  setText(within(tile, '.words'), words)
}

function showHeadline({ state, value }: Verdict): void {
  headline.dataset['state'] = state
  setText(headline, value)
  document.title = state === 'good' ? 'Roomwire operations' : `${value} – Roomwire operations`
}

let polling = false
let timer: ReturnType<typeof setTimeout> | undefined

async function poll(): Promise<void> {
  if (polling) return
  polling = true
  clearTimeout(timer)
  const began = performance.now()
  const answer = await ask(access.token, { boot, since: recent.until, revision })
  polling = false
  if (answer.kind === 'refused') {
    access.refused(answer.status, answer.why)
    showHeadline({ state: 'none', value: 'For operators', words: '' })
    return // until there is a token
  }
  if (answer.kind === 'data') {
    answeredAt = Date.now()
    access.granted()
    show(answer.data)
  } else {
    const since = duration(Date.now() - answeredAt)
    showHeadline({ state: 'bad', value: `No answer from the gateway for ${since}`, words: '' })
  }
  timer = setTimeout(() => void poll(), Math.max(0, EVERY_MS - (performance.now() - began)))
}

span.addEventListener('change', showCharts)
const colours = find('theme', HTMLSelectElement)
const theme = createTheme(() => {
  for (const chart of charts) chart.repaint()
})
colours.value = theme.chosen
colours.addEventListener('change', () => theme.choose(colours.value as Choice))
void poll()
