import type { OptionType } from './option-types.ts'

/** One environment variable. `docs/CONFIGURATION.md` and `--help` are generated from these. */
export interface Option<T> {
  group: string
  type: OptionType<T>
  /** As an operator would write it; undefined where unset is a value of its own. */
  default: string | undefined
  description: string
  /** Its value never leaves the process. */
  secret: boolean
}

export type Described<T> = Pick<Option<T>, 'type' | 'description'> & {
  default?: string
  secret?: true
}
type Value<D> = D extends { type: OptionType<infer T>; default: string }
  ? T
  : D extends { type: OptionType<infer T> }
    ? T | undefined
    : never
export type Options<G> = { [Name in keyof G]: Option<Value<G[Name]>> }

/** Options that are shown under one heading. */
export function group<const G extends Record<string, Described<unknown>>>(
  name: string,
  described: G,
) {
  const options = Object.entries(described).map(([variable, option]) => [
    variable,
    { default: undefined, secret: false, ...option, group: name },
  ])
  return Object.fromEntries(options) as Options<G>
}
