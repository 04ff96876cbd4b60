/**
 * Makes a release in release/: the npm package with the bundled model inside, its bill of materials (CycloneDX) and the
 * licences of what it needs; then installs the package in a folder outside the clone and lets it serve and score there.
 */
import process from 'node:process';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { URL, fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const OUT = resolve('release');
// the install script of onnxruntime-node would fetch CUDA libraries
const ENV = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
const npm = (args, cwd) =>
  execFileSync('npm', [...args, '--loglevel=error'], {
    cwd,
    env: ENV,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT);
const [{ filename, unpackedSize, files }] = JSON.parse(
  npm(['pack', '--json', '--ignore-scripts', '--pack-destination', OUT]),
);
for (const wanted of [
  'dist/src/cli/main.js',
  'models/tiny-reach/weights.safetensors',
  'proto/action_energy/v1/energy.proto',
]) {
  if (!files.some(({ path }) => path === wanted)) throw new Error(`the package lacks ${wanted}`);
}
const sbom = npm(['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev']);
writeFileSync(join(OUT, 'sbom.cdx.json'), sbom);

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const licences = Object.entries(packages)
  .filter(([path, { dev, optional }]) => path !== '' && !dev && !optional)
  .map(([path, { version, license }]) => {
    if (license === undefined) throw new Error(`${path} names no licence`);
    return `${path.split('node_modules/').at(-1)} ${version}: ${license}`;
  });
writeFileSync(join(OUT, 'licences.txt'), `${[...new Set(licences)].sort().join('\n')}\n`);

const elsewhere = mkdtempSync(join(tmpdir(), 'action-energy-release-'));
try {
  writeFileSync(join(elsewhere, 'package.json'), '{ "private": true }');
  npm(['install', '--no-audit', '--no-fund', join(OUT, filename)], elsewhere);
  const bin = join(elsewhere, 'node_modules/.bin/action-energy');
  const flags = ['--address', '127.0.0.1:0', '--metrics-address', '127.0.0.1:0', '--provider', 'cpu'];
  const server = spawn(bin, ['serve', ...flags], { cwd: elsewhere, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const address = await new Promise((found, failed) => {
      server.once('exit', (code) => failed(new Error(`serve exited with ${code}`)));
      createInterface({ input: server.stdout }).on('line', (line) => {
        const { msg, addresses } = JSON.parse(line);
        if (msg === 'serving') found(addresses[0]);
      });
    });
    const data = resolve('models/examples/tiny-reach.safetensors');
    const scored = execFileSync(bin, ['client', 'score', '--address', address, data, '--json'], {
      cwd: elsewhere,
    });
    JSON.parse(scored);
  } finally {
    server.kill('SIGTERM');
  }
} finally {
  rmSync(elsewhere, { recursive: true });
}
process.stdout.write(
  `release/${filename}: ${files.length} files, ${(unpackedSize / 2 ** 20).toFixed(1)} MiB; installed elsewhere it serves and scores\n` +
    `release/sbom.cdx.json, release/licences.txt: ${licences.length} packages\n`,
);
