import { defineConfig } from 'vite'

export default defineConfig({
  // Relative addresses: the page works under any path a proxy puts it at.
  base: './',
  build: {
    outDir: '../dist/client-demo',
    emptyOutDir: true,
    // The gateway's CSP allows no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'ops.html'] },
  },
  server: {
    proxy: {
      '/socket.io': { target: 'http://127.0.0.1:8080', ws: true },
      '/ops/data': 'http://127.0.0.1:8080',
    },
  },
})
