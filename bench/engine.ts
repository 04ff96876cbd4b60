/**
 * `npm run bench:engine [-- --rounds 15 --threads 2 --only TEXT --torch --json --save]`: the engine at S 600 with 60
 * masked, D 4096, h 512, beside the replicated single graph and a bare matrix product of the same FLOPs.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { engineRows } from './engine-rows.js';
import type { RowResult } from './engine-row.js';
import { REFERENCE_SIZE } from './random-model.js';
import { saveResult } from './results.js';
import { markdownTable, verdict } from './table.js';

/** What the project promises of a row: a least speed-up over the replicated graph, a most over the bare product. */
const REACH: Readonly<Record<string, { readonly speedup?: number; readonly overBare?: number }>> = {
  'matrix B 8': { speedup: 8 },
  'matrix B 32': { speedup: 24 },
  'rank N 64, context fresh': { speedup: 40 },
  'score N 64, context encoded': { speedup: 80 },
  'encode, float32 tokens': { overBare: 1.15 },
  'encode, bfloat16 tokens': { overBare: 1.25 },
};

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    torch: { type: 'string' },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});
const run = promisify(execFile);

async function measureRow(name: string): Promise<RowResult> {
  const script = fileURLToPath(new URL('./engine-row.js', import.meta.url));
  const { stdout } = await run(process.execPath, [script, name, flags.rounds, flags.threads]);
  return JSON.parse(stdout) as RowResult;
}

/** Milliseconds of the same replicated work in eager PyTorch, by row name; empty without `--torch PYTHON`. */
async function torchTimes(python: string | undefined): Promise<Map<string, number>> {
  if (python === undefined) return new Map();
  const script = fileURLToPath(new URL('../../bench/pytorch_baseline.py', import.meta.url));
  const { stdout } = await run(python, [script, '--threads', flags.threads, '--matrix', '8', '--rank', '64']);
  const { results } = JSON.parse(stdout) as {
    results: { kind: string; size: number; ms: number }[];
  };
  const names = (kind: string, count: number): string[] =>
    kind === 'matrix'
      ? [`matrix B ${count}`]
      : [`rank N ${count}, context fresh`, `score N ${count}, context encoded`];
  return new Map(
    results.flatMap(({ kind, size, ms }) => names(kind, size).map((name): [string, number] => [name, ms])),
  );
}

const results: RowResult[] = [];
for (const { name } of engineRows(REFERENCE_SIZE)) {
  if (!name.includes(flags.only)) continue;
  process.stderr.write(`${name} ...\n`);
  results.push(await measureRow(name));
}
const torch = await torchTimes(flags.torch);
const rows = results.map((result) => {
  const { name, overBare, gflops, peakMiB, speedup, replicatedPeakMiB } = result;
  const reach = REACH[name];
  const torchMs = torch.get(name);
  return [
    name,
    result.engineMs.toFixed(1),
    overBare.toFixed(2) + verdict(overBare, reach?.overBare, 'most'),
    gflops.toFixed(0),
    speedup === undefined ? '' : speedup.toFixed(1) + verdict(speedup, reach?.speedup, 'least'),
    torchMs === undefined ? '' : (torchMs / result.engineMs).toFixed(1),
    peakMiB.toFixed(0),
    replicatedPeakMiB?.toFixed(0) ?? '',
  ];
});
const table = markdownTable(
  ['work', 'ms', 'over bare product', 'GFLOP/s', 'x replicated', 'x PyTorch', 'peak MiB', 'replicated MiB'],
  rows,
);
process.stdout.write(flags.json ? `${JSON.stringify(results, null, 2)}\n` : `${table}\n`);
if (flags.save) {
  const torchFlag = flags.torch === undefined ? '' : ` -- --torch ${flags.torch}`;
  await saveResult('engine', { command: `npm run bench:engine${torchFlag}`, table });
}
