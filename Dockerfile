# docker build -t roomwire .
# The build folder is what .dockerignore lets through; tests/unit/dockerfile.test.ts builds from that.

FROM node:22.14.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:22.14.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev && npm cache clean --force

FROM node:22.14.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# By number: Kubernetes cannot tell whether a name is root.
USER 1000:1000
EXPOSE 8080
# Alive, not ready: a gateway without its Redis keeps its clients and must not be restarted for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# `docker run roomwire --help`, `docker run roomwire config` …
ENTRYPOINT ["node", "dist/server/main.js"]
