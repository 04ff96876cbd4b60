/** The demo runs the command line as a user does; what it runs is printed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '../src/errors.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = path.join(ROOT, 'dist/src/cli/main.js');

/** Where the command's own output goes: the terminal, or nowhere. */
export type Output = 'inherit' | 'ignore';

/** Errors: a command that fails. */
export async function actionEnergy(output: Output, ...args: readonly string[]): Promise<void> {
  if (output === 'inherit') process.stdout.write(`\n$ action-energy ${args.map(shown).join(' ')}\n`);
  const isShown = output === 'inherit';
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', output, isShown ? 'inherit' : 'pipe'],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  throw new Fault('internal', 'a command of the demo failed', {
    field: `action-energy ${args.join(' ')}`,
    found: `exit code ${code}${errors && `: ${errors}`}`,
  });
}

function shown(argument: string): string {
  return path.isAbsolute(argument) ? path.relative(process.cwd(), argument) : argument;
}
