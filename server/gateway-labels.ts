import type { Cache } from './cache/cache.ts'
import { createCachedClassifier } from './cache/cached-classifier.ts'
import { createClassification } from './cache/classification.ts'
import type { Classifier } from './cache/classifier.ts'
import { createHttpClassifier } from './cache/http-classifier.ts'
import { createLanguageClassifier } from './cache/language.ts'
import type { Config } from './config.ts'
import { createLabelEvents } from './observability/label-events.ts'
import type { Logger } from './observability/logger.ts'
import type { Metrics } from './observability/metrics.ts'
import type { OperatorNotes } from './observability/operator-notes.ts'
import type { RoomMessage } from './protocol.ts'
import { withAfterStore, withDigests } from './rooms/appending.ts'
import type { MessageLog } from './rooms/message-log.ts'

/**
 * Called with each message that this instance stored: by one instance of the cluster, at most once,
 * after the message was acknowledged and published. What it throws or rejects with is logged.
 */
export type AfterStore = (message: RoomMessage) => void | Promise<void>

export interface AppendingDeps {
  log: MessageLog
  cache: Cache
  afterStore: AfterStore | undefined
  overloaded: () => boolean
  logger: Logger
  metrics: Metrics
  notes: OperatorNotes
}

/** The log with what options and embedders want to happen around an append; as it is where nothing. */
export function extendLog(
  config: Pick<Config, 'classifier' | 'contentDedupWindowMs'>,
  deps: AppendingDeps,
): MessageLog {
  const events = createLabelEvents(deps)
  const { afterStore } = deps
  let { log } = deps
  const classifier = createClassifier(config, deps.cache, events)
  const classify =
    classifier &&
    createClassification({
      ...{ classifier, label: log.label, observer: events },
      // A service works elsewhere; the language is found out here.
      overloaded: () => config.classifier.kind === 'language' && deps.overloaded(),
    })
  if (config.contentDedupWindowMs > 0) log = withDigests(log)
  if (classify === undefined && afterStore === undefined) return log
  return withAfterStore(log, ({ room, content }, { epoch, offset, at }) => {
    const said = JSON.parse(content) as Pick<RoomMessage, 'id' | 'from' | 'body'>
    const message: RoomMessage = { room, epoch, offset, at, ...said }
    classify?.(message)
    if (afterStore !== undefined) {
      Promise.resolve()
        .then(() => afterStore(message))
        .catch(events.hookFailed)
    }
  })
}

function createClassifier(
  { classifier }: Pick<Config, 'classifier'>,
  cache: Cache,
  events: ReturnType<typeof createLabelEvents>,
): Classifier | undefined {
  switch (classifier.kind) {
    case 'off':
      return undefined
    case 'language':
      return createLanguageClassifier() // looking into Redis would cost more than it does
    case 'http': {
      const { url, cacheTtlMs } = classifier
      const service = createHttpClassifier(classifier, events)
      return createCachedClassifier(service, { cache, name: url, ttlMs: cacheTtlMs })
    }
  }
}
