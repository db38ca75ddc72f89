import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { answers, type Contender, type RedisAddress, startInstance } from './contender.ts'

const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx']
const MODULES = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/local/nginx/modules']

const nginx = NGINX.find((path) => existsSync(path))
const module = MODULES.map((dir) => join(dir, 'ngx_nchan_module.so')).find((path) =>
  existsSync(path),
)

/**
 * Nchan with Redis as its documentation shows: an upstream with `nchan_redis_server`, its default
 * storage mode (messages are kept in Redis), one worker per core as nginx recommends.
 */
export const nchan: Contender = {
  name: 'nchan',
  title: 'Nchan + Redis',
  wire: 'nchan',
  recovery: 'none',
  unavailable: () =>
    nginx === undefined || module === undefined
      ? 'nginx with its nchan module is not installed (Debian: nginx, libnginx-mod-nchan)'
      : undefined,
  async start(scope, { redis }) {
    const dir = await mkdtemp(join(tmpdir(), 'roomwire-nginx-'))
    scope.defer(() => rm(dir, { recursive: true, force: true }))
    const path = join(dir, 'nginx.conf')
    return startInstance(
      scope,
      'setpriv',
      async (port) => {
        await writeFile(path, configuration(dir, port, redis))
        // Ended by SIGTERM when this process dies: killed, it would leave its workers behind.
        return ['--pdeathsig', 'TERM', nginx ?? '', '-c', path, '-p', dir, '-e', 'stderr']
      },
      () => ({}),
      (_child, port) => answers(port, '/health/live'),
    )
  },
}

function configuration(dir: string, port: number, redis: RedisAddress): string {
  return `load_module ${module};
${userInfo().uid === 0 ? 'user root;' : ''}
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid ${dir}/nginx.pid;
error_log stderr warn;
events { worker_connections 10000; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 1h;
  upstream rooms { nchan_redis_server redis://${redis.host}:${redis.port}; }
  server {
    listen 127.0.0.1:${port};
    location /health/ { return 200; }
    location ~ ^/sub/(.+)$ {
      nchan_subscriber websocket;
      nchan_channel_id $1;
      nchan_redis_pass rooms;
    }
    location ~ ^/pub/(.+)$ {
      nchan_publisher http;
      nchan_channel_id $1;
      nchan_redis_pass rooms;
    }
  }
}
`
}
