/**
 * Coverage of the 95 percent intervals of the calibration's figures, by simulation at 10, 30 and 80 episodes of 5 to 25
 * rows. Every one is wanted at 0.93 at least.
 *
 *   npm run bench:intervals -- [--trials 1000 --only TEXT]
 */
import { parseArgs } from 'node:util';
import { COVERAGE_CASES, coverage } from './interval-coverage.js';
import { markdownTable } from './table.js';

const EPISODES = [10, 30, 80];
const WANTED = 0.93;

const { values } = parseArgs({
  options: { trials: { type: 'string', default: '1000' }, only: { type: 'string', default: '' } },
});
const trials = Number(values.trials);
let missed = 0;
const rows = COVERAGE_CASES.filter(({ name }) => name.includes(values.only)).map((each) => [
  each.name,
  ...EPISODES.map((episodes) => {
    const found = coverage(each, episodes, trials, 1);
    if (found.coverage < WANTED) missed++;
    return `${found.coverage.toFixed(3)} (width ${found.width.toPrecision(2)})`;
  }),
]);
process.stdout.write(
  `${markdownTable(['figure', ...EPISODES.map((count) => `${count} episodes`)], rows)}\n${trials} samples each; wanted: at least ${WANTED}. ${missed === 0 ? 'Met by all.' : `Missed by ${missed}.`}\n`,
);
process.exitCode = missed === 0 ? 0 : 1;
