import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/{unit,contracts,redis,cluster,browser}/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only slow each other down.
    maxWorkers: 2,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
