/** The Python that some tests need beside ours: PyTorch makes reference values. `npm test` installs it (scripts/setup-tests.mjs). */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../../..');
/** Making vectors takes seconds; a hung interpreter must not hang the tests. */
const TIMEOUT_MS = 180_000;

export const PYTHON_SETUP = 'node scripts/setup-tests.mjs';

/** One that can import PyTorch; undefined where there is none. */
export function findPython(): string | undefined {
  const candidates = [path.join(ROOT, '.venv/bin/python'), 'python3'];
  return candidates.find(
    (python) =>
      (python === 'python3' || existsSync(python)) &&
      spawnSync(python, ['-c', 'import torch, numpy, safetensors'], { timeout: TIMEOUT_MS }).status === 0,
  );
}

/** What a script of `test/golden` prints. Errors: a status other than 0. */
export function runGolden(python: string, script: string, args: readonly string[]): string {
  return execFileSync(python, [path.join(ROOT, 'test/golden', script), ...args], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    // tensors this small are computed faster than a second thread wakes
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
}
