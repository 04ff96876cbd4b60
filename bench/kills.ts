/**
 * `npm run kills [-- --kills N]`: trains a small model once undisturbed, then again while it is killed (SIGKILL) at N random points and
 * resumed each time. Both must end with the same bits and the same log. Exits 1 where they do not.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/random.js';
import { DRAWING_LOSSES, TaskFolder } from '../test/support/training-task.js';

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
const task = await TaskFolder.make(directory);

function start(name: string): ChildProcess {
  return task.start(name, '--resume', '--epochs', String(EPOCHS), ...RECIPE);
}

/** Kills it somewhere, or says that it ended before. */
async function killed(child: ChildProcess, left: number): Promise<boolean> {
  const began = (await task.log('killed')).length;
  const target = began + Math.floor(((random.uniform() * STRIDE) / (left + 1)) * (total - began));
  const early = random.uniform() < EARLY_SHARE;
  const afterMs = random.uniform() * (early ? START_MS : WITHIN_MS);
  const wasKilled = await task.kill('killed', child, early ? -1 : target, afterMs);
  const { length } = await task.log('killed');
  process.stdout.write(
    `  ${wasKilled ? 'killed' : 'ended'} at line ${length} of ${total}${early ? ', early' : ''}\n`,
  );
  return wasKilled;
}

const [code] = (await once(start('whole'), 'exit')) as [number | null];
if (code !== 0) throw new Error(`train ended with ${code}`);
const whole = await task.log('whole');
const total = whole.length;
let kills = 0;
while (kills < wanted && (await killed(start('killed'), wanted - kills))) kills++;
if (kills === wanted) await once(start('killed'), 'exit');

const sameBits = (await task.weights('whole')).equals(await task.weights('killed'));
const sameLog = whole.join('\n') === (await task.log('killed')).join('\n');
await rm(directory, { recursive: true });
process.stdout.write(
  `killed ${kills} times of ${wanted}, seed ${seed}: ${sameBits ? 'the same' : 'other'} weights, ` +
    `${sameLog ? 'the same' : 'another'} log\n`,
);
if (!sameBits || !sameLog || kills < wanted) process.exitCode = 1;
