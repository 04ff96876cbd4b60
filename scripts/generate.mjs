/**
 * Writes what is made from something else: message types from proto/, docs/configuration.md from the config
 * schema and the Grafana dashboards from the catalogue of metrics (the last two need `npm run build` first). `--check` writes nothing and fails when a file differs.
 */
import process from 'node:process';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { URL, fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const GENERATOR = join(root, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js');
const PROTOS = [
  'action_energy/v1/energy.proto',
  'action_energy/v1/admin.proto',
  'action_energy/v1/calibration.proto',
  'action_energy/v1/selection.proto',
  'action_energy/v1/training.proto',
  'google/rpc/error_details.proto',
];
/** As src/wire/contract.ts loads them. */
const OPTIONS = ['--longs=String', '--enums=String', '--defaults', '--oneofs', '--grpcLib=@grpc/grpc-js'];

/** Relative path -> content of everything that is generated. */
async function generate() {
  const out = mkdtempSync(join(tmpdir(), 'action-energy-generate-'));
  const files = new Map();
  try {
    const args = [...OPTIONS, '--importFileExtension=.js', '-I', 'proto', '-O', out, ...PROTOS];
    execFileSync(process.execPath, [GENERATOR, ...args], { cwd: root, stdio: 'inherit' });
    for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
      // The files beside the packages type the generator's own client loader, which nothing here uses.
      if (!entry.isFile() || entry.parentPath === out) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(join('src/generated', path.slice(out.length + 1)), readFileSync(path, 'utf8'));
    }
  } finally {
    rmSync(out, { recursive: true });
  }
  const built = (file) => {
    const path = join(root, 'dist', file);
    if (!existsSync(path)) throw new Error(`made by built code: run \`npm run build\` first (${path})`);
    return import(pathToFileURL(path).href);
  };
  const { configReference } = await built('src/config/reference.js');
  files.set('docs/configuration.md', configReference());
  const { dashboardFiles } = await built('deploy/dashboards/dashboards.js');
  for (const [name, text] of dashboardFiles()) files.set(join('deploy/grafana/dashboards', name), text);
  return files;
}

const files = await generate();
if (process.argv.includes('--check')) {
  const stale = [...files].filter(([path, content]) => {
    const full = join(root, path);
    return !existsSync(full) || readFileSync(full, 'utf8') !== content;
  });
  for (const entry of readdirSync(join(root, 'src/generated'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name).slice(root.length);
    if (entry.isFile() && !files.has(path)) stale.push([path]);
  }
  for (const [path] of stale) process.stderr.write(`differs from its source: ${path}\n`);
  if (stale.length > 0) process.stderr.write('Run `npm run generate` and commit the result.\n');
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  rmSync(join(root, 'src/generated'), { recursive: true, force: true });
  for (const [path, content] of files) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}
