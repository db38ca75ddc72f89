import uPlot from 'uplot'
import type { ChartSpec } from './chart-list.ts'
import type { Column } from './recent.ts'

/** The drawing of a chart; everything else about it is HTML. */
export interface Plot {
  /** `outages` are columns that are 0 while something is down. */
  draw(times: number[], columns: Column[], outages: Column[]): void
  /** Colours have changed. */
  repaint(): void
}

const HEIGHT = 150
const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })
const CLOCK_WITH_SECONDS = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** @param pointed the sample under the pointer, on any chart, or undefined */
export function createPlot(
  place: HTMLElement,
  spec: ChartSpec,
  pointed: (index: number | undefined) => void,
): Plot {
  let shaded: Column[] = []
  const axis = {
    stroke: () => token('--muted'),
    grid: { stroke: () => token('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  const plot = new uPlot(
    {
      width: Math.max(200, place.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      // One pointer for all charts: what happened at the same moment is seen at once.
      cursor: { sync: { key: 'operations' }, drag: { x: false, y: false }, y: false },
      scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
      axes: [
        {
          ...axis,
          size: 24,
          space: 70,
          values: (self, splits) => {
            const { min = 0, max = 0 } = self.scales['x'] ?? {}
            const format = (max ?? 0) - (min ?? 0) > 120 ? CLOCK : CLOCK_WITH_SECONDS
            return splits.map((seconds) => format.format(seconds * 1000))
          },
        },
        {
          ...axis,
          size: 48,
          space: 28,
          values: (_self, splits) =>
            splits.map((value) => value.toLocaleString('en', { notation: 'compact' })),
        },
      ],
      series: [
        {},
        ...spec.lines.map(({ label, colour, all }) => ({
          label,
          stroke: () => token(`--colour-${colour}`),
          width: 1.75,
          ...(all && { dash: [5, 4] }),
          points: { show: spec.dots === true, size: 3, fill: () => token(`--colour-${colour}`) },
        })),
      ],
      hooks: {
        drawClear: [(self) => shade(self, shaded)],
        setCursor: [({ cursor: { idx } }) => pointed(idx ?? undefined)],
      },
    },
    [[], ...spec.lines.map(() => [])],
    place,
  )

  new ResizeObserver(() => {
    const width = Math.floor(place.clientWidth)
    if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT })
  }).observe(place)

  return {
    draw(times, columns, outages) {
      shaded = outages
      plot.setData([times, ...columns])
    },
    repaint: () => plot.redraw(false, true),
  }
}

function shade(plot: uPlot, outages: readonly Column[]): void {
  const times = plot.data[0]
  const { ctx, bbox } = plot
  ctx.save()
  ctx.fillStyle = token('--bad-soft')
  for (const [index, time] of times.entries()) {
    if (!outages.some((column) => column[index] === 0)) continue
    const left = plot.valToPos(times[index - 1] ?? time - 1, 'x', true)
    const right = plot.valToPos(time, 'x', true)
    ctx.fillRect(left, bbox.top, Math.max(1, right - left), bbox.height)
  }
  ctx.restore()
}
