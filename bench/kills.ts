/**
 * `npm run kills [-- --kills N]`: trains a small model once undisturbed, then again while it is killed (SIGKILL) at N random points and
 * resumed each time. Both must end with the same bits and the same log. Exits 1 where they do not.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/random.js';
import { writeSafetensors } from '../src/weights/safetensors.js';
import { DRAWING_LOSSES, TASK_CARD, taskData } from '../test/support/training-task.js';

const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** Losses that draw (dropout, negatives), gradients that wait for others, validations and saves at their own pace. */
const RECIPE = [
  ...DRAWING_LOSSES,
  ...['--patience', '0'],
  ...[
    '--batch',
    '8',
    '--threads',
    '1',
    '--validate-every',
    '50',
    '--save-every',
    '7',
    '--seed',
    '5',
    '--json',
  ],
];
const EPOCHS = 200;
/** One kill in five meets the start: reading the state, cutting the log. */
const EARLY_SHARE = 0.2;
const START_MS = 1_500;
/** Of the updates that are left, so that the kills spread over the run. */
const STRIDE = 1.5;
/** Within an update, a save or a validation. */
const WITHIN_MS = 40;

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, seed: { type: 'string' } },
});
const wanted = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const random = seededRandom(seed, 'kills');
const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-kills-'));
const at = (...names: readonly string[]): string => path.join(directory, ...names);

function start(name: string): ChildProcess {
  const files = ['train', at('data.safetensors'), '--card', at('card.json'), '-o', at(name), '--resume'];
  const args = [MAIN, ...files, '--epochs', String(EPOCHS), ...RECIPE];
  return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function logOf(name: string): Promise<string[]> {
  const log = await readFile(at(`${name}.training`, 'log.jsonl'), 'utf8').catch(() => '');
  return log.split('\n').filter((line) => line !== '');
}

/** Kills it somewhere, or says that it ended before. */
async function killed(child: ChildProcess, left: number): Promise<boolean> {
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const began = (await logOf('killed')).length;
  const target = began + Math.floor(((random.uniform() * STRIDE) / (left + 1)) * (total - began));
  const early = random.uniform() < EARLY_SHARE;
  const lastMs = early ? START_MS : WITHIN_MS;
  while (!early && child.exitCode === null && (await logOf('killed')).length <= target) await delay(2);
  await delay(random.uniform() * lastMs);
  child.kill('SIGKILL');
  const [code] = await ended;
  if (code !== null && code !== 0) throw new Error(`train ended with ${code}`);
  const log = await logOf('killed');
  process.stdout.write(
    `  ${code === null ? 'killed' : 'ended'} at line ${log.length} of ${total}${early ? ', early' : ''}\n`,
  );
  return code === null;
}

await writeFile(at('data.safetensors'), writeSafetensors(taskData(1)));
await writeFile(at('card.json'), JSON.stringify(TASK_CARD));
const [code] = (await once(start('whole'), 'exit')) as [number | null];
if (code !== 0) throw new Error(`train ended with ${code}`);
const whole = await logOf('whole');
const total = whole.length;
let kills = 0;
while (kills < wanted && (await killed(start('killed'), wanted - kills))) kills++;
if (kills === wanted) await once(start('killed'), 'exit');

const weights = (name: string): Promise<Buffer> => readFile(at(name, 'weights.safetensors'));
const sameBits = (await weights('whole')).equals(await weights('killed'));
const sameLog = whole.join('\n') === (await logOf('killed')).join('\n');
await rm(directory, { recursive: true });
process.stdout.write(
  `killed ${kills} times of ${wanted}, seed ${seed}: ${sameBits ? 'the same' : 'other'} weights, ` +
    `${sameLog ? 'the same' : 'another'} log\n`,
);
if (!sameBits || !sameLog || kills < wanted) process.exitCode = 1;
