/** A JSON value kept by the browser. Where storage is forbidden the page works without it. */
export interface Stored<Value> {
  read(): Value | undefined
  write(value: Value): void
}

/** `area` is asked for late: merely touching `localStorage` throws where it is forbidden. */
export function createStored<Value>(
  area: () => Storage,
  key: string,
  isValue: (value: unknown) => value is Value,
): Stored<Value> {
  return {
    read() {
      try {
        const value: unknown = JSON.parse(area().getItem(key) ?? 'null')
        return isValue(value) ? value : undefined
      } catch {
        return undefined // forbidden, or written by something else: as good as absent
      }
    },
    write(value) {
      try {
        area().setItem(key, JSON.stringify(value))
      } catch {
        // Forbidden or full: the value lives as long as the page.
      }
    },
  }
}

export const isString = (value: unknown): value is string => typeof value === 'string'

export const isStrings = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(isString)
