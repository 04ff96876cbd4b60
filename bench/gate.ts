/**
 * Does the gate keep its bound, and is the verdict right? Planted verifiers (bench/gate-simulation.ts).
 *
 * 1. Over random splits by episode: harm on the episodes that were not fitted on, against alpha 0.05; wanted in 95 percent.
 * 2. Verdicts of separate calibrations; wanted: all right.
 * 3. Success under the gate when 1 to 256 candidates are offered; wanted: at the end at most one point below its peak.
 *
 *   npm run bench:gate -- [--splits 200] [--verdicts 20] [--candidates 256]
 */
import { parseArgs } from 'node:util';
import { boundHeld, gatedCurve, verdictOf, VERIFIERS } from './gate-simulation.js';
import { markdownTable } from './table.js';

const { values } = parseArgs({
  options: {
    splits: { type: 'string', default: '200' },
    verdicts: { type: 'string', default: '20' },
    candidates: { type: 'string', default: '256' },
  },
});
const [splits, verdicts, most] = [values.splits, values.verdicts, values.candidates].map(Number);
const POOL = { episodes: 400, contexts: 20, candidates: 16 };
const FIT_EPISODES = 60;
const SIZE = { episodes: 200, contexts: 20, candidates: 16 };
const WANTED_SHARE = 0.95;
const WANTED_FALL = 0.01;

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
  const { gate, heldOut } = verdictOf(verifier, { ...SIZE, candidates: most! }, 0);
  const curve = gate === undefined ? [] : gatedCurve(heldOut, gate).map(({ success }) => success);
  const fall = gate === undefined ? 0 : Math.max(...curve) - curve.at(-1)!;
  const share = (value: number): string => (bound.gates === 0 ? 'n/a' : value.toFixed(3));
  return [
    verifier.name,
    `${bound.held} of ${splits}${check(bound.held >= WANTED_SHARE * splits!)}`,
    share(bound.coverage),
    share(bound.harm),
    share(bound.gain),
    `${right} of ${verdicts}${check(right === verdicts)} (${verifier.verdict.replaceAll('_', ' ')})`,
    gate === undefined
      ? 'no gate'
      : `${curve[0]!.toFixed(3)} to ${curve.at(-1)!.toFixed(3)}, ${fall.toFixed(3)} below its peak, ${gate.candidates} used${check(fall <= WANTED_FALL)}`,
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
  `${markdownTable(header, rows)}\n\nBound: gates fitted on ${FIT_EPISODES} of ${POOL.episodes} episodes of ${POOL.contexts} contexts, alpha 0.05; harm on all others; coverage, harm and gain are means over the splits with a gate. Verdicts: ${SIZE.episodes} episodes, half fitted.\n`,
);
process.exitCode = failed ? 1 : 0;
