import type { Feed } from './feed.ts'

/** What the operations page tells of in its feed, one function each. */
export type OperatorNotes = ReturnType<typeof createOperatorNotes>

export function createOperatorNotes(feed: Feed) {
  return {
    /** Returns a function for a more telling kind of the same failure. */
    redisLost(role: string, kind: string): (kind: string) => void {
      const words = (why: string) => `Redis (${role}) lost: ${why}`
      const update = feed.note({ kind: 'redis-lost', mood: 'bad', words: words(kind) })
      return (why) => update(words(why))
    },
    redisBack(role: string, downMs: number): void {
      const words = `Redis (${role}) is back after ${seconds(downMs)}`
      feed.note({ kind: 'redis-back', mood: 'good', words })
    },
    classifierLost(cause: string): void {
      const words = `The classifier fails (${cause}): messages go without labels`
      feed.note({ kind: 'classifier-lost', mood: 'warn', words, key: 'classifier' })
    },
    classifierBack(): void {
      feed.note({ kind: 'classifier-back', mood: 'good', words: 'The classifier works again' })
    },
    slowClientCut(): void {
      const words = 'A client that did not read was cut off; it resumes from the log'
      feed.note({ kind: 'slow-client', mood: 'warn', words, key: 'slow-client' })
    },
    roomReset(room: string, reason: string, members: number): void {
      const words = `Room “${shortened(room)}” began anew (${reason}); told ${members} members here`
      feed.note({ kind: 'room-reset', mood: 'bad', words, key: `reset:${reason}` })
    },
    draining(connections: number): void {
      const words = `Stopping: hands over ${connections} connections`
      feed.note({ kind: 'drain', mood: 'info', words })
    },
    overloaded(turnMs: number): void {
      const words = `Overloaded: a turn of the event loop is ${turnMs} ms late`
      feed.note({ kind: 'overload', mood: 'bad', words, key: 'overload' })
    },
    overloadEnded(forSeconds: number, refused: number): void {
      const turnedAway = refused > 0 ? `, ${refused} newcomers were refused` : ''
      const words = `No longer overloaded after ${forSeconds} s${turnedAway}`
      feed.note({ kind: 'overload-over', mood: 'good', words, key: 'overload-over' })
    },
    connectsRefused(reason: string): void {
      const words = `New connections are refused: ${reason}`
      feed.note({ kind: 'connects-refused', mood: 'bad', words, key: `refused:${reason}` })
    },
    /** Returns a function for how many it has become. */
    stormBegan(cause: string): (total: number) => void {
      const words = (total: number) => `Reconnect storm: ${total} so far, mostly after ${cause}`
      const update = feed.note({ kind: 'storm', mood: 'bad', words: words(0) })
      return (total) => update(words(total))
    },
    stormEnded(total: number, forSeconds: number): void {
      const words = `Reconnect storm over: ${total} in ${forSeconds} s`
      feed.note({ kind: 'storm-over', mood: 'good', words })
    },
    instanceAppeared(instance: string, restarted: boolean): void {
      const words = restarted ? `${instance} is back as a new process` : `${instance} joined`
      feed.note({ kind: 'instance-new', mood: 'good', words, local: true })
    },
    instanceSilent(instance: string, forMs: number): void {
      const words = `${instance} went silent: no sign of it for ${seconds(forMs)}`
      feed.note({
        kind: 'instance-silent',
        mood: 'bad',
        words,
        key: `silent:${instance}`,
        local: true,
      })
    },
    instanceHeard(instance: string): void {
      const words = `${instance} is heard again`
      feed.note({
        kind: 'instance-back',
        mood: 'good',
        words,
        key: `heard:${instance}`,
        local: true,
      })
    },
    instanceLeft(instance: string): void {
      const words = `${instance} stopped, as it was told to`
      feed.note({ kind: 'instance-left', mood: 'info', words, local: true })
    },
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function shortened(room: string): string {
  return room.length > 60 ? `${room.slice(0, 59)}…` : room
}
