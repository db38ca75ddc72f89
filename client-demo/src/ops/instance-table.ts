import { find } from '../view/page.ts'
import type { Instance } from './data.ts'
import { duration, inWords, megabytes } from './words.ts'

/** Fills the table of instances; the first is the one that answers. */
export function showInstances(instances: readonly Instance[]): void {
  const body = find('instances', HTMLTableSectionElement)
  const heads = [...(body.parentElement?.querySelectorAll('thead th') ?? [])]
  const rows = instances.map((instance, index) => rowOf(instance, index === 0))
  for (const row of rows) {
    // Narrow windows show each cell beside its heading: instances.css.
    for (const cell of row.cells) cell.dataset['head'] = heads[cell.cellIndex]?.textContent ?? ''
  }
  body.replaceChildren(...rows)
}

function rowOf(instance: Instance, answers: boolean): HTMLTableRowElement {
  const row = document.createElement('tr')
  row.dataset['instance'] = instance.instance
  row.dataset['presence'] = instance.presence
  row.dataset['status'] = instance.status
  const name = document.createElement('th')
  name.scope = 'row'
  name.textContent = answers ? `${instance.instance} (answers you)` : instance.instance
  row.append(name, text(stateOf(instance), 'state'), text(redisOf(instance)))
  for (const figure of [
    inWords(instance.connections, 'count'),
    inWords(instance.rooms, 'count'),
    inWords(instance.stored, 'count'),
    inWords(instance.delivered, 'count'),
    inWords(instance.reconnections, 'count'),
    inWords(instance.sendP99Ms, 'ms'),
    inWords(instance.loopLagMs, 'ms'),
    megabytes(instance.memoryBytes),
    duration(instance.uptimeSeconds * 1000),
  ]) {
    row.append(text(figure, 'number'))
  }
  row.append(text(instance.version))
  return row
}

function stateOf({ presence, status, ageMs }: Instance): string {
  switch (presence) {
    case 'live':
      return status
    case 'silent':
      return `silent for ${duration(ageMs)}`
    case 'stopped':
      return `stopped ${duration(ageMs)} ago`
    case 'unknown':
      return `unknown; last seen ${duration(ageMs)} ago`
  }
}

function redisOf({ redis }: Instance): string {
  return redis.rooms === redis.cache ? redis.rooms : `${redis.rooms}, cache ${redis.cache}`
}

function text(content: string, className = ''): HTMLTableCellElement {
  const cell = document.createElement('td')
  cell.className = className
  cell.textContent = content
  return cell
}
