/**
 * The Kubernetes manifests against the real schemas, offline: PyPI's `kubernetes-validate` carries them. The base file by file;
 * the overlays as kustomize makes them, where a `kubectl` with kustomize 4 or later is there, and a word where it is not.
 */
import process from 'node:process';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { URL, fileURLToPath } from 'node:url';
import { PYTHON, ensurePackages } from './python-venv.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const ROOT = 'deploy/kubernetes';

if (
  !(await ensurePackages(
    'kubernetes_validate',
    'deploy/kubernetes/requirements.txt',
    'the Kubernetes schemas',
  ))
) {
  throw new Error(
    'kubernetes-validate could not be installed into .venv: python3 with venv and pip is needed',
  );
}

const out = mkdtempSync(join(tmpdir(), 'action-energy-kubernetes-'));
try {
  const files = readdirSync(join(ROOT, 'base'))
    .filter((name) => name !== 'kustomization.yaml')
    .map((name) => join(ROOT, 'base', name));
  const version = /Kustomize Version: v(\d+)/.exec(
    spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1];
  for (const name of readdirSync(join(ROOT, 'overlays'))) {
    if (version === undefined || Number(version) < 4) {
      process.stderr.write(`NOT CHECKED, no kubectl with kustomize 4 here: overlay ${name}\n`);
      continue;
    }
    const made = spawnSync('kubectl', ['kustomize', join(ROOT, 'overlays', name)], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`overlay ${name}: ${made.stderr}`);
    const file = join(out, `${name}.yaml`);
    writeFileSync(file, made.stdout);
    files.push(file);
  }
  const { status } = spawnSync(PYTHON, ['-m', 'kubernetes_validate', '--strict', '--quiet', ...files], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
  else process.stdout.write(`${files.length} manifests hold against the schemas\n`);
} finally {
  rmSync(out, { recursive: true });
}
