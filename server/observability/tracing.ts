import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'

/**
 * OpenTelemetry spans of a message: one where it is sent, one on each instance that delivers it, in one
 * trace. The context travels with the message as its last field, `trace`, a W3C `traceparent`. The
 * process's SDK decides what is sampled and where it goes; without one nothing is recorded.
 */
export interface Tracing {
  /** Runs `work` within a span. What it is given is to be carried by the message. */
  sending<T>(room: string, work: (traceparent: string | undefined) => Promise<T>): Promise<T>
  /** A message with a context has been handed to so many connections of this instance. */
  delivered(room: string, content: string, offset: number, members: number): void
}

/** At the very end: nothing that a body holds can look like it. */
const CARRIED = /,"trace":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"\}$/
/** Length of what `CARRIED` matches. */
const CARRIED_LENGTH = 67
const ROOM = 'messaging.destination.name'

/** JSON text of a message's content, with its context if it has one. */
export function withTrace(content: string, traceparent: string | undefined): string {
  return traceparent === undefined ? content : `${content.slice(0, -1)},"trace":"${traceparent}"}`
}

export function createTracing(instance: string): Tracing {
  const tracer = trace.getTracer('roomwire')

  return {
    sending(room, work) {
      const attributes = { [ROOM]: room, 'service.instance.id': instance }
      const options = { kind: SpanKind.PRODUCER, attributes }
      return tracer.startActiveSpan('room:send', options, async (span) => {
        const carrier: { traceparent?: string } = {}
        propagation.inject(context.active(), carrier)
        try {
          return await work(carrier.traceparent)
        } catch (error) {
          span.setStatus({ code: SpanStatusCode.ERROR, message: codeOf(error) })
          throw error
        } finally {
          span.end()
        }
      })
    },
    delivered(room, content, offset, members) {
      const traceparent = CARRIED.exec(content.slice(-CARRIED_LENGTH))?.[1]
      if (traceparent === undefined) return
      const parent = propagation.extract(context.active(), { traceparent })
      const attributes = {
        ...{ [ROOM]: room, 'service.instance.id': instance },
        ...{ 'roomwire.offset': offset, 'roomwire.members': members },
      }
      const options = { kind: SpanKind.CONSUMER, attributes }
      tracer.startSpan('room:message', options, parent).end()
    },
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? 'INTERNAL')
}
