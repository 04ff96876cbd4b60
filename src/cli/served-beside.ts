/** A server of our own for one command, in a process beside it. */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EnergyClient } from '../client/energy-client.js';
import { Fault } from '../errors.js';
import type { EngineFlags } from './engine-flags.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** Serves `bundle` on a free port of this machine while `use` runs. Errors: what the server says when it cannot start. */
export async function withServed<T>(
  bundle: string,
  { provider = 'auto', precision, threads }: EngineFlags,
  use: (client: EnergyClient) => Promise<T>,
): Promise<T> {
  const flags = ['--address', '127.0.0.1:0', '--metrics-address', 'none', '--quality-share', '0'];
  const engine = ['--provider', provider, '--precision', precision, '--threads', String(threads)];
  const child = spawn(process.execPath, [MAIN, 'serve', bundle, ...flags, ...engine, '--log-level', 'info'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  try {
    const address = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      child.once('error', reject);
      child.once('close', () => reject(new Fault('invalid', reasonOf(said), { field: bundle })));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { msg, addresses } = JSON.parse(line) as { msg?: string; addresses?: string[] };
        if (msg === 'serving') resolve(addresses![0]!);
      });
    });
    const client = await EnergyClient.open({ address });
    try {
      return await use(client);
    } finally {
      client.close();
    }
  } finally {
    process.off('exit', kill);
    kill();
  }
}

/** What `serve` printed of its fault, as one line. */
function reasonOf(text: string): string {
  return (
    text
      .replace(/^error: /, '')
      .replaceAll(/\s*\n\s*/g, '; ')
      .replace(/; $/, '') || 'the server did not start'
  );
}
