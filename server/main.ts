#!/usr/bin/env node
import { configErrorText, EXIT_CONFIG, runCli } from './cli.ts'
import { type Config, ConfigError, type ConfigWarning, readConfig } from './config.ts'
import { isLoopback } from './config-access.ts'
import { createGateway } from './gateway.ts'
import { createLogger, createStandardOutput, type Logger } from './observability/logger.ts'

/** The process: environment, signals, exit codes. No other file of the server touches `process`. */
const { argv, env, stderr, stdout } = process

const LISTEN_REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; set PORT to another one',
  EACCES: 'this user may not listen there; set PORT to one above 1023',
  EADDRNOTAVAIL: 'HOST is no address of this machine; unset it to listen on all of them',
  EAFNOSUPPORT: 'HOST is of a kind that this machine has none of, such as IPv6',
  EINVAL: 'HOST is no address to listen on; one that begins with fe80: needs its interface (%eth0)',
  ENOTFOUND: 'HOST is a name that is not known here',
  EAI_AGAIN: 'HOST is a name that is not known here',
}

/** Two signals within it are one Ctrl-C: npm passes on what the terminal has sent to everybody. */
const ONE_PRESS_MS = 300

const io = {
  ...{ env, stdout, stderr },
  // A gateway has none, and need not find that out.
  get stdin() {
    return process.stdin
  },
}
const outcome = await runCli(argv.slice(2), io)
if (outcome === 'start') await run()
else stdout.write('', () => process.exit(outcome)) // a name server may be waited for no longer

async function run(): Promise<void> {
  const { config, warnings } = read()
  const output = createStandardOutput()
  const as = { level: config.logLevel, instance: config.instanceId }
  const gateway = createGateway(config, { logger: createLogger(as, output.destination) })
  const exit = (code: number) => void output.end().then(() => process.exit(code))
  const { logger, metrics } = gateway
  tellSetup(logger, config, warnings)

  process.on('unhandledRejection', (error) => {
    metrics.unhandled.inc()
    logger.error({ err: error }, 'unhandled rejection')
  })
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception')
    exit(1)
  })

  let stoppingSince: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince < ONE_PRESS_MS) return
        logger.warn({ signal }, 'asked twice: ending at once')
        return exit(1)
      }
      stoppingSince = performance.now()
      logger.info({ signal }, 'stopping')
      void gateway.stop()
    })
  }
  process.on('SIGHUP', () => {
    logger.info({ signal: 'SIGHUP' }, 'reading the files of secrets again')
    void gateway.reload()
  })
  gateway.stopped.then(
    () => exit(0),
    (error: unknown) => {
      logger.fatal({ err: error }, 'stopping failed')
      exit(1)
    },
  )

  await gateway.start().catch((error: unknown) => {
    const { code = '', message } = error as NodeJS.ErrnoException
    const reason = LISTEN_REFUSALS[code] ?? message
    logger.fatal({ code, host: config.host, port: config.port }, `cannot listen: ${reason}`)
    exit(1)
  })
}

/** What an operator should know of the settings, before anything happens. */
function tellSetup(logger: Logger, config: Config, warnings: readonly ConfigWarning[]): void {
  for (const { level, variable, message } of warnings)
    logger[level]({ variable }, `${variable} ${message}`)
  if (config.rooms === undefined) {
    logger.info('rooms live in memory: one instance, and messages end with this process')
  }
  if (config.cache === undefined) {
    logger.info(
      'the cache lives in memory: it is not shared with other instances, and ends with this process, as do the counts of duplicates',
    )
  }

  if (config.auth === undefined && !isLoopback(config.host)) {
    logger.warn(
      { variable: 'AUTH_MODE' },
      'AUTH_MODE is none: whoever reaches this instance may connect and say any name',
    )
  }
}

function read(): ReturnType<typeof readConfig> {
  try {
    return readConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    stderr.write(configErrorText(error))
    process.exit(EXIT_CONFIG)
  }
}
