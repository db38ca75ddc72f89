import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type CampaignOptions, runCampaign, runRivalCampaign } from './campaign.ts'
import { ALL_KINDS, type FaultKind, KINDS_OF, LOSSY_KINDS } from './schedule.ts'
import { TOPOLOGIES } from './store.ts'
import type { Contender } from './system.ts'

const USAGE = `npm run chaos -- [options]

  --rounds N      rounds to run (3)
  --seed S        seed of the schedule and of all choices (a fresh one)
  --seconds T     load of a round (15)
  --clients C     recording clients (40)
  --rooms R       rooms of a round (6)
  --rate M        messages per second, over all clients (250)
  --faults LIST   kinds, separated by commas; all, or lossy for those that take data away
                  ${KINDS_OF.standalone.join(', ')};
                  ${LOSSY_KINDS.join(', ')}
  --topology NAME standalone, sentinel (a primary, two replicas, three Sentinels) or cluster (three
                  primaries with a replica each); of the latter two, all means
                  ${KINDS_OF.sentinel.join(', ')};
                  ${KINDS_OF.cluster.join(', ')}
  --ack-replicas N  ROOM_ACK_REPLICAS (0); from 1 on, primary-kill may take no acknowledged message
  --against NAME  roomwire, redis-adapter or redis-streams-adapter
  --keep          write every round's history, not only a failed one's
  --json          one JSON object on stdout
  --progress      progress on stderr although it is no terminal
`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '15' },
    clients: { type: 'string', default: '40' },
    rooms: { type: 'string', default: '6' },
    rate: { type: 'string', default: '250' },
    faults: { type: 'string', default: 'all' },
    topology: { type: 'string', default: 'standalone' },
    'ack-replicas': { type: 'string', default: '0' },
    against: { type: 'string', default: 'roomwire' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    progress: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function count(
  name: 'rounds' | 'seed' | 'seconds' | 'clients' | 'rooms' | 'rate' | 'ack-replicas',
): number {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= (name === 'seed' ? 0 : 1)) return value
  throw new Error(`--${name} must be a whole number, not ${values[name]}`)
}

function kindsOf(list: string): FaultKind[] {
  return list.split(',').flatMap((name) => {
    if (name === 'all') return KINDS_OF[topology]
    if (name === 'lossy') return LOSSY_KINDS
    const kind = ALL_KINDS.find((candidate) => candidate === name)
    if (kind === undefined) throw new Error(`--faults knows no ${name}`)
    return [kind]
  })
}

if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const topology = TOPOLOGIES.find((name) => name === values.topology) ?? 'standalone'
if (topology !== values.topology) throw new Error(`--topology knows no ${values.topology}`)
const contenders: readonly Contender[] = ['roomwire', 'redis-adapter', 'redis-streams-adapter']
const contender = contenders.find((name) => name === values.against)
if (contender === undefined) throw new Error(`--against knows no ${values.against}`)
const gateway = fileURLToPath(new URL('../../dist/server/main.js', import.meta.url))
if (contender === 'roomwire' && !existsSync(gateway)) throw new Error('run npm run build first')
values.seed ??= String(Math.floor(Math.random() * 2 ** 31))

const showing = values.progress || process.stderr.isTTY
process.stderr.write(`seed ${values.seed}\n`)
const options: CampaignOptions = {
  rounds: count('rounds'),
  seed: count('seed'),
  lengthMs: count('seconds') * 1000,
  clients: count('clients'),
  rooms: count('rooms'),
  rate: count('rate'),
  kinds: kindsOf(values.faults),
  topology,
  ackReplicas: values['ack-replicas'] === '0' ? 0 : count('ack-replicas'),
  keep: values.keep,
  say: (line) => {
    // What is wrong is said in any case.
    if (showing || !/^round \d+: .*: whole$/.test(line)) process.stderr.write(`${line}\n`)
  },
}
const summary =
  contender === 'roomwire' ? await runCampaign(options) : await runRivalCampaign(contender, options)
const { problems, ...figures } = summary
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
else {
  for (const [name, value] of Object.entries(figures)) {
    process.stdout.write(`${name.padEnd(18)}${JSON.stringify(value)}\n`)
  }
  for (const problem of problems.slice(0, 20)) process.stdout.write(`problem: ${problem}\n`)
}
process.exit(summary.failed ? 1 : 0)
