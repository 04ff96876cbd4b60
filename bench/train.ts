/**
 * `npm run bench:train [-- --batches 8,32 --rounds 7 --threads 2 --torch PYTHON --save]`: a whole training step as `train` makes
 * it (S 300 with 30 masked, D 4096, h 512, H 8, swap InfoNCE, dropout, clip, AdamW) beside the bare products that it cannot
 * do without, and with `--torch` beside whole PyTorch steps, factorised and (B 8 alone) replicated, on as many threads.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { saveResult } from './results.js';
import { markdownTable, verdict } from './table.js';
import type { TrainRow } from './train-row.js';

/** What the project promises: a most over the bare products, leasts over PyTorch, a most of PyTorch's peak memory. */
const REACH = { overBare: 1.8, factorised: 2, replicated: 20, memory: 0.5 } as const;
/** The batch of the promise on memory. */
const LARGE_BATCH = '32';
/** Beyond this the replicated step wants more memory than most machines have. */
const LARGEST_REPLICATED = 8;
/** A replicated step takes seconds. */
const REPLICATED_ROUNDS = '3';

const { values: flags } = parseArgs({
  options: {
    batches: { type: 'string', default: '8,32' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '2' },
    torch: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const run = promisify(execFile);

interface TorchStep {
  readonly ms: number;
  readonly peakMiB: number;
}

async function torchStep(way: string, batch: string, rounds: string): Promise<TorchStep | undefined> {
  if (flags.torch === undefined) return undefined;
  if (way === 'replicated' && Number(batch) > LARGEST_REPLICATED) return undefined;
  const script = fileURLToPath(new URL('../../bench/pytorch_train.py', import.meta.url));
  const options = ['--batch', batch, '--threads', flags.threads, '--repeats', rounds];
  const { stdout } = await run(flags.torch, [script, way, ...options]);
  return JSON.parse(stdout) as TorchStep;
}

const rows: string[][] = [];
for (const batch of flags.batches.split(',')) {
  const script = fileURLToPath(new URL('./train-row.js', import.meta.url));
  const { stdout } = await run(process.execPath, [script, batch, flags.rounds, flags.threads]);
  const { stepMs, updateMs, bareMs, peakMiB } = JSON.parse(stdout) as TrainRow;
  const factorised = await torchStep('factorised', batch, flags.rounds);
  const replicated = await torchStep('replicated', batch, REPLICATED_ROUNDS);
  const ours = stepMs / bareMs;
  const times = (other: TorchStep | undefined, reach: number): string => {
    if (other === undefined) return '';
    const ratio = other.ms / stepMs;
    return `${ratio.toFixed(1)} x${verdict(ratio, reach, 'least')}; ${(other.ms / bareMs).toFixed(1)} bare`;
  };
  const share = factorised && peakMiB / factorised.peakMiB;
  rows.push([
    `B ${batch}`,
    bareMs.toFixed(0),
    `${stepMs.toFixed(0)} (${updateMs.toFixed(0)})`,
    `${ours.toFixed(2)}${verdict(ours, REACH.overBare, 'most')}`,
    times(factorised, REACH.factorised),
    times(replicated, REACH.replicated),
    peakMiB.toFixed(0),
    share && factorised
      ? `${factorised.peakMiB.toFixed(0)}: ${share.toFixed(2)}${verdict(share, batch === LARGE_BATCH ? REACH.memory : undefined, 'most')}`
      : '',
  ]);
}
const header = [
  'batch',
  'bare products, ms',
  'step (of it clip and AdamW), ms',
  'over bare products',
  'PyTorch factorised',
  'PyTorch replicated',
  'peak MiB',
  'of PyTorch factorised',
];
const table = markdownTable(header, rows);
process.stdout.write(`${table}\n`);
if (flags.save) {
  const command = `npm run bench:train${flags.torch === undefined ? '' : ' -- --torch python'}`;
  await saveResult('train', { command, table });
}
