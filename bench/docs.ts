/** `npm run bench:docs`: writes docs/performance.md from the tables that the benchmarks saved (`--save`). */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readResult } from './results.js';

const TARGET = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

const SECTIONS: readonly { readonly name: string; readonly title: string; readonly text: string }[] = [
  {
    name: 'engine',
    title: 'Engine',
    text: `S 600 with 60 masked, D 4096, h 512, 8 heads, H 8, A 7, random weights; contexts in bfloat16 unless said. Milliseconds are
the engine's own (encode and score), the lower quartile of 15 rounds. *Over bare product*: against one ONNX Runtime MatMul with as many multiply-adds, in
alternate rounds, with K = D where contexts are encoded and K = h elsewhere. A product whose K is
no multiple of 1024 floats is faster on this CPU, so this yardstick is the model's own shape and not the fastest product. *x replicated*: against the exported single graph run pair by pair on the same runtime and threads, in
chunks of 64 rows. Each row is a process of its own; peak memory is its resident set, the runtime and Node included.`,
  },
  {
    name: 'int8',
    title: '8-bit context encoder',
    text: 'Same size, random weights; see [decisions/0003-int8.md](decisions/0003-int8.md).',
  },
  {
    name: 'service',
    title: 'Service',
    text: `D 4096, S 600 with 60 masked, bfloat16, N 16, H 8; server and load in processes of their own on the same cores.
*Engine*: the same request given to the bare engine in the same run.`,
  },
  {
    name: 'train',
    title: 'Training',
    text: `Whole steps on the swap InfoNCE, as \`train\` makes them (dropout, clip, AdamW): S 300 with 30 masked, D 4096, h 512, H 8, 2 threads; lower
quartiles. *Bare products*: two of [T,D] by [D,h] and nine of [T,h] by [h,h], in alternate rounds; what attention and prediction head multiply is not
among them: with it a step multiplies 1.14 (B 8) and 1.58 times (B 32) as much. PyTorch makes whole steps too, without dropout, in
processes of its own: its time over ours, and over the bare products. Peak memory is the process's resident set, after three steps.`,
  },
  {
    name: 'calibration',
    title: 'Calibration',
    text: 'D 4096, S 300; the whole of `calibrate`, all negatives of the report included, against encoding the contexts once.',
  },
  {
    name: 'quality',
    title: 'Live quality',
    text: 'Throughput at saturation with the default share of sampled requests against none, in alternate rounds.',
  },
  {
    name: 'plan',
    title: 'Planning',
    text: `What \`action-energy plan\` predicts for one machine beside what a real server does under that load: D 1024, S 300, N 16, robots at 5 Hz
with clocks of their own. Pairs are predicted / measured; load and server share the cores ([fleet.md](fleet.md)).`,
  },
];

const lines = [
  '<!-- Made by `npm run bench:docs` from bench/results/; do not edit. -->',
  '',
  '# Performance',
  '',
  'Every table comes from one run of the command above it. Ratios carry over to other machines, milliseconds do not.',
];
for (const { name, title, text } of SECTIONS) {
  const saved = await readResult(name);
  if (!saved) continue;
  lines.push(
    '',
    `## ${title}`,
    '',
    text,
    '',
    `\`${saved.command}\` · ${saved.machine} · ${saved.date}`,
    '',
    saved.table,
  );
}
await writeFile(TARGET, `${lines.join('\n')}\n`);
process.stdout.write(`${TARGET}\n`);
