import { defineConfig } from 'vitest/config'

const folders = 'tests/{unit,contracts,redis,cluster,browser}'

export default defineConfig({
  // The examples import it by its name, as an application does.
  resolve: { alias: { roomwire: `${import.meta.dirname}/server/gateway.ts` } },
  test: {
    globalSetup: 'tests/support/fresh-build.ts',
    // Two cores: more workers than that only slow each other down.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'suite',
          include: [`${folders}/**/*.test.ts`],
          exclude: ['**/*.long.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Real processes on a machine shared with others: CI asks twice before it blames the change,
          // and says which test needed it.
          retry: process.env['CI'] ? 1 : 0,
        },
      },
      {
        // `npm run test:long`: topologies, long faults, alerts.
        extends: true,
        test: {
          name: 'long',
          include: [`${folders}/**/*.long.test.ts`, 'tests/long/**/*.test.ts'],
          // They measure: one at a time.
          fileParallelism: false,
          testTimeout: 20 * 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
