/** The sum of a metric's samples on an instance, those with all of `labels`; 0 where there are none. */
export async function readMetric(
  gatewayUrl: string,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(`${gatewayUrl}/metrics`)
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`)
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  let sum = 0
  for (const line of (await response.text()).split('\n')) {
    const sample = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (sample?.[1] !== name) continue
    if (wanted.every((label) => sample[2]?.includes(label))) sum += Number(sample[3])
  }
  return sum
}
