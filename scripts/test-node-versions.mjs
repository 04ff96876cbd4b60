/**
 * A short run on the long-term lines of Node beside the machine's: the command line starts and scores, a server starts and
 * answers, and the tests that stand nearest to the runtime pass. The binaries come from npm's `node` package, into
 * node_modules/.cache. `node scripts/test-node-versions.mjs 24` runs one.
 */
import process from 'node:process';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { retry } from './python-venv.mjs';

const VERSIONS = ['22.23.3', '24.21.0', '26.10.0'];
const TESTS = [
  'unit/graph/ops', // every op on ONNX Runtime: float16 arrays differ between Nodes
  'unit/weights/safetensors', // JSON.parse differs between Nodes
  'unit/metrics/http',
  'golden/engine',
  'integration/service-golden',
  'integration/service-security', // TLS
  'e2e/hostile', // resets of HTTP/2 streams
];
const TEST_TIMEOUT_MS = 180_000;

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Path of the binary, fetched when it is missing. */
async function binary(version) {
  const prefix = join('node_modules/.cache/node', version);
  const path = join(prefix, 'node_modules/node/bin/node');
  if (existsSync(path)) return path;
  mkdirSync(prefix, { recursive: true });
  // the package puts its binary in place by a script, which this project lets no other package do
  writeFileSync(
    join(prefix, 'package.json'),
    JSON.stringify({ private: true, allowScripts: { node: true } }),
  );
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', `node@${version}`];
  const fetched = await retry(() => spawnSync('npm', args, { cwd: prefix, stdio: 'inherit' }).status === 0);
  if (!fetched || !existsSync(path)) throw new Error(`npm package node@${version} could not be installed`);
  return path;
}

const wanted = process.argv.slice(2);
const versions =
  wanted.length === 0 ? VERSIONS : VERSIONS.filter((each) => wanted.includes(each.split('.')[0]));
for (const version of versions) {
  const node = await binary(version);
  const startMs = performance.now();
  const run = (what, args) => {
    const { status, stdout, stderr } = spawnSync(node, args, { encoding: 'utf8' });
    if (status !== 0) {
      process.stderr.write(`${stdout}${stderr}\nNode ${version}: ${what} failed\n`);
      process.exit(1);
    }
    return stdout;
  };
  const scored = run('score', [
    'dist/src/cli/main.js',
    'score',
    'models/tiny-reach',
    'models/examples/tiny-reach.safetensors',
    '--json',
  ]);
  if (!Array.isArray(JSON.parse(scored).contexts))
    throw new Error(`Node ${version}: score printed no contexts`);
  const files = TESTS.map((name) => `dist/test/${name}.test.js`);
  const out = run('tests', ['--test', '--test-reporter=spec', `--test-timeout=${TEST_TIMEOUT_MS}`, ...files]);
  const [, passed] = /^ℹ pass (\d+)$/m.exec(out) ?? [];
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(`Node ${version}: scores, and ${passed} tests pass, in ${seconds} s\n`);
}
