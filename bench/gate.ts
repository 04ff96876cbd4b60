/**
 * Does the gate keep its bound, and is the verdict right? Planted verifiers (bench/gate-simulation.ts).
 *
 * 1. Over random splits by episode: harm on the episodes that were not fitted on, against alpha 0.05; wanted in 95 percent.
 * 2. Verdicts of separate calibrations; wanted: all right.
 * 3. Success under the gates of several calibrations when 1 to 256 candidates are offered; wanted: at the end at most one point
 *    below the peak, in every one.
 *
 *   npm run bench:gate -- [--splits 200] [--verdicts 20] [--curves 5] [--candidates 256]
 */
import { parseArgs } from 'node:util';
import { boundHeld, gatedCurve, verdictOf, VERIFIERS } from './gate-simulation.js';
import { markdownTable } from './table.js';

const { values } = parseArgs({
  options: {
    splits: { type: 'string', default: '200' },
    verdicts: { type: 'string', default: '20' },
    curves: { type: 'string', default: '5' },
    candidates: { type: 'string', default: '256' },
  },
});
const [splits, verdicts, curves, most] = [
  values.splits,
  values.verdicts,
  values.curves,
  values.candidates,
].map(Number);
const POOL = { episodes: 400, contexts: 20, candidates: 16 };
const FIT_EPISODES = 60;
const SIZE = { episodes: 200, contexts: 20, candidates: 16 };
const WANTED_SHARE = 0.95;
const WANTED_FALL = 0.01;

const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;

let failed = false;
const check = (holds: boolean): string => {
  failed ||= !holds;
  return holds ? '' : ' MISSED';
};
const rows = VERIFIERS.map((verifier) => {
  const bound = boundHeld(verifier, POOL, FIT_EPISODES, splits!, 1);
  let right = 0;
  for (let seed = 0; seed < verdicts!; seed++) {
    if (verdictOf(verifier, SIZE, seed).verdict.verdict === verifier.verdict) right++;
  }
  const offered = Array.from({ length: curves! }, (_, seed) => {
    const { gate, heldOut } = verdictOf(verifier, { ...SIZE, candidates: most! }, seed);
    return gate === undefined ? [] : [gatedCurve(heldOut, gate).map(({ success }) => success)];
  }).flat();
  const fall = Math.max(0, ...offered.map((curve) => Math.max(...curve) - curve.at(-1)!));
  const [start, end] = [0, -1].map((at) => mean(offered.map((curve) => curve.at(at)!)));
  const share = (value: number): string => (bound.gates === 0 ? 'n/a' : value.toFixed(3));
  return [
    verifier.name,
    `${bound.held} of ${splits}${check(bound.held >= WANTED_SHARE * splits!)}`,
    share(bound.coverage),
    share(bound.harm),
    share(bound.gain),
    `${right} of ${verdicts}${check(right === verdicts)} (${verifier.verdict.replaceAll('_', ' ')})`,
    offered.length === 0
      ? 'no gate'
      : `${start!.toFixed(3)} to ${end!.toFixed(3)} with ${offered.length} gates, at worst ${fall.toFixed(3)} below its peak${check(fall <= WANTED_FALL)}`,
  ];
});
const header = [
  'verifier',
  'bound held',
  'coverage',
  'harm',
  'gain',
  'verdict right',
  `success, 1 to ${most} offered`,
];
process.stdout.write(
  `${markdownTable(header, rows)}\n\nBound: gates fitted on ${FIT_EPISODES} of ${POOL.episodes} episodes of ${POOL.contexts} contexts, alpha 0.05; harm on all others; coverage, harm and gain are means over the splits with a gate. Verdicts and success: ${SIZE.episodes} episodes, half fitted; success is a mean over ${curves} calibrations, those without a gate left out.\n`,
);
process.exitCode = failed ? 1 : 0;
