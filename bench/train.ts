/**
 * `npm run bench:train [-- --batches 8,32 --rounds 7 --threads 2 --torch PYTHON --save]`: the loss and gradients of one
 * training step (S 300 with 30 masked, D 4096, h 512, H 8, swap InfoNCE) beside the bare products that the step cannot do
 * without, and with `--torch` beside whole PyTorch steps, factorised and (B 8 alone) replicated, on as many threads.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { saveResult } from './results.js';
import { markdownTable, verdict } from './table.js';
import type { TrainRow } from './train-row.js';

/** What the project promises: a most over the bare products. */
const OVER_BARE = 1.8;
/** Beyond this the replicated step wants more memory than most machines have. */
const LARGEST_REPLICATED = 8;

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

async function torchStep(way: string, batch: string): Promise<{ ms: number; peakMiB: number } | undefined> {
  if (flags.torch === undefined) return undefined;
  if (way === 'replicated' && Number(batch) > LARGEST_REPLICATED) return undefined;
  const script = fileURLToPath(new URL('../../bench/pytorch_train.py', import.meta.url));
  const { stdout } = await run(flags.torch, [script, way, '--batch', batch, '--threads', flags.threads]);
  return JSON.parse(stdout) as { ms: number; peakMiB: number };
}

const rows: string[][] = [];
for (const batch of flags.batches.split(',')) {
  const script = fileURLToPath(new URL('./train-row.js', import.meta.url));
  const { stdout } = await run(process.execPath, [script, batch, flags.rounds, flags.threads]);
  const { stepMs, bareMs, peakMiB } = JSON.parse(stdout) as TrainRow;
  const factorised = await torchStep('factorised', batch);
  const replicated = await torchStep('replicated', batch);
  const overBare = stepMs / bareMs;
  rows.push([
    `B ${batch}`,
    stepMs.toFixed(0),
    `${overBare.toFixed(2)}${verdict(overBare, OVER_BARE, 'most')}`,
    peakMiB.toFixed(0),
    factorised ? `${(factorised.ms / stepMs).toFixed(1)} x` : '',
    factorised ? factorised.peakMiB.toFixed(0) : '',
    replicated ? `${(replicated.ms / stepMs).toFixed(1)} x` : '',
  ]);
}
const header = [
  'batch',
  'ms',
  'over bare products',
  'peak MiB',
  'PyTorch factorised',
  'its peak MiB',
  'PyTorch replicated',
];
const table = markdownTable(header, rows);
process.stdout.write(`${table}\n`);
if (flags.save) {
  const command = `npm run bench:train${flags.torch === undefined ? '' : ` -- --torch ${flags.torch}`}`;
  await saveResult('train', { command, table });
}
