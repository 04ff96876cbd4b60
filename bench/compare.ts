/**
 * `npm run bench:compare -- --other PATH [--only TEXT --pairs 5 --rounds 7 --threads 2]`: the rows of `bench:engine` that this
 * checkout and another one that is built have in common, in turn, so that what the machine does meanwhile meets both. Prints
 * the median of the pairs' ratios; below 1 this checkout is faster.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { engineRows } from './engine-rows.js';
import type { RowResult } from './engine-row.js';
import { REFERENCE_SIZE } from './random-model.js';
import { quantile } from './statistics.js';
import { markdownTable } from './table.js';

const { values: flags } = parseArgs({
  options: {
    other: { type: 'string' },
    only: { type: 'string', default: '' },
    pairs: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: '2' },
  },
});
if (flags.other === undefined) throw new Error('--other PATH: a checkout that is built');
const run = promisify(execFile);
const own = fileURLToPath(new URL('./engine-row.js', import.meta.url));
const other = path.join(flags.other, 'dist/bench/engine-row.js');

async function engineMs(script: string, name: string): Promise<number> {
  const { stdout } = await run(process.execPath, [script, name, flags.rounds, flags.threads]);
  return (JSON.parse(stdout) as RowResult).engineMs;
}

const theirs = (await import(path.resolve(flags.other, 'dist/bench/engine-rows.js'))) as {
  engineRows: typeof engineRows;
};
const known = new Set(theirs.engineRows(REFERENCE_SIZE).map(({ name }) => name));
const HEAD = ['work', 'this, ms', 'other, ms', 'ratio', 'pairs'];
const rows: string[][] = [];
for (const { name } of engineRows(REFERENCE_SIZE)) {
  if (!name.includes(flags.only) || !known.has(name)) continue;
  process.stderr.write(`${name} ...\n`);
  const pairs: { own: number; other: number }[] = [];
  for (let pair = 0; pair < Number(flags.pairs); pair++) {
    // who goes first alternates
    const first = await engineMs(pair % 2 === 0 ? own : other, name);
    const second = await engineMs(pair % 2 === 0 ? other : own, name);
    pairs.push(pair % 2 === 0 ? { own: first, other: second } : { own: second, other: first });
  }
  const median = (of: (pair: (typeof pairs)[number]) => number): number => quantile(pairs.map(of), 0.5);
  const ratio = (pair: (typeof pairs)[number]): number => pair.own / pair.other;
  rows.push([
    name,
    median((pair) => pair.own).toFixed(2),
    median((pair) => pair.other).toFixed(2),
    median(ratio).toFixed(3),
    `${Math.min(...pairs.map(ratio)).toFixed(3)} to ${Math.max(...pairs.map(ratio)).toFixed(3)}`,
  ]);
  process.stderr.write(`${rows.at(-1)!.join('  ')}\n`); // the rest may take long
}
process.stdout.write(`${markdownTable(HEAD, rows)}\n`);
