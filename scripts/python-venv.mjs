/** Python packages in `.venv`, installed where they are missing. */
import process from 'node:process';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export const PYTHON = '.venv/bin/python';
const ATTEMPTS = 3;

export const run = (command, args) =>
  spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
export const quiet = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Downloads fail for reasons that pass. */
export async function retry(action) {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (action()) return true;
    if (attempt < ATTEMPTS) await delay(attempt * 5000);
  }
  return false;
}

/** Whether `.venv` can `import ${modules}`, after installing the requirements if need be. `what` is what for. */
export function ensurePackages(modules, requirements, what) {
  const isThere = () => existsSync(PYTHON) && quiet(PYTHON, ['-c', `import ${modules}`]);
  return ensure(isThere, requirements, what);
}

/** The same for packages that bring a program and no module: all of `programs` in `.venv/bin`. */
export function ensurePrograms(programs, requirements, what) {
  return ensure(() => programs.every((name) => existsSync(`.venv/bin/${name}`)), requirements, what);
}

async function ensure(isThere, requirements, what) {
  if (isThere()) return true;
  if (!quiet('python3', ['--version'])) return false;
  process.stdout.write(`installing ${requirements} into .venv for ${what}\n`);
  if (!existsSync(PYTHON) && !run('python3', ['-m', 'venv', '.venv'])) return false;
  return retry(() => run(PYTHON, ['-m', 'pip', 'install', '--quiet', '-r', requirements]));
}
