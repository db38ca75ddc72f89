import type { Scope } from '../tests/support/scope.ts'
import type { Contender } from './contenders/contender.ts'
import type { Ratio, Summary } from './statistics.ts'

/** One thing to measure: `npm run bench -- <name>`. */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /** Options of its own, as `--name value`. */
  readonly options: Record<string, ScenarioOption>
  /** In the order they are shown. */
  readonly metrics: readonly Metric[]
  /** Rivals that take part unless others are asked for. */
  readonly rivals: readonly Contender[]
  /** Rounds of turns to run: the same measurement under several circumstances. */
  variants(settings: Settings): readonly Variant[]
  /** What this project promises of it, held against what was measured. */
  claims(results: Results, settings: Settings): readonly Claim[]
}

export interface ScenarioOption {
  default: string
  description: string
}

export interface Metric {
  readonly name: string
  readonly title: string
  readonly unit: string
  /** Whether less is better; ratios are formed so that more is better for us. None: no ratio. */
  readonly better?: 'lower' | 'higher'
  /** Digits after the point. */
  readonly digits?: number
}

export interface Variant {
  readonly name: string
  /** Contenders that make no sense here are left out. */
  takes?(contender: Contender): boolean
  /** One contender's turn. What it starts belongs to the scope. */
  turn(scope: Scope, contender: Contender): Promise<Sample>
}

/** What one turn gave. */
export interface Sample {
  /** By metric; undefined where there is no figure, as after a death. */
  figures: Record<string, number | undefined>
  /** What a reader must know of this turn. */
  notes: string[]
  /** More, for the JSON only. */
  detail?: Record<string, unknown>
}

/** Options as read. */
export interface Settings {
  readonly turns: number
  /** Length of the measured window. */
  readonly seconds: number
  /** `appendfsync` of Redis, or `no` for no append-only file. */
  readonly aof: Aof
  text(name: string): string
  number(name: string): number
  numbers(name: string): number[]
}

export type Aof = 'always' | 'everysec' | 'no'

/** Access to results for claims; undefined where nothing was measured. */
export interface Results {
  summary(variant: string, contender: string, metric: string): Summary | undefined
  /** Rival to us, formed so that more is better for us. */
  ratio(variant: string, rival: string, metric: string): Ratio | undefined
}

export interface Claim {
  text: string
  measured: number | undefined
  atLeast?: number
  atMost?: number
  /** What we would like beyond what we promise. */
  aim?: number
}

/** Undefined: not measured. */
export function holds({ measured, atLeast, atMost }: Claim): boolean | undefined {
  if (measured === undefined) return undefined
  return measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity)
}
