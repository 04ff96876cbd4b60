/** Plots over one axis: cost over the candidates, reliability, histograms, energy against noise, energies over the chunk. */
import type { ChoiceReport } from '../../choice/choice-schema.js';
import type { Report, ReportBin } from '../report-schema.js';
import { HEIGHT, linePlot, WIDTH, type Series } from './line-plot.js';
import { COLOURS, frame, legend, px, svg, type Frame } from './svg.js';

/** Expected cost of the pick against the number of candidates; a ring where the energy's pick is best. */
export function controlPlot(choice: ChoiceReport, better: 'readout' | 'logit', yTitle: string): string {
  const { levels, curves, peak } = choice;
  const x = levels.map(Math.log2);
  const line = (rule: string, name: string, colour: string, reference = false): Series[] => {
    const curve = curves.find((each) => each.rule === rule);
    if (curve === undefined || curve.costs.every(({ value }) => value === null)) return [];
    return [{ name, colour, x, figures: curve.costs, reference }];
  };
  const energy = curves.find(({ rule }) => rule === better)!.costs;
  const best = levels.indexOf(peak.candidates);
  const ring = ({ x: along, y }: Frame): string => {
    const { value } = energy[best]!;
    if (value === null) return '';
    return `<circle cx="${px(along(x[best]!))}" cy="${px(y(value))}" r="8" fill="none" stroke="${COLOURS.blue}" stroke-width="2"/>`;
  };
  return linePlot({
    title: 'Expected cost of the pick by number of candidates',
    xTitle: 'candidates N (ring: where the energy is best)',
    yTitle,
    series: [
      ...line('random', 'random', COLOURS.grey, true),
      ...line('first', "policy's first", '#1b1f24', true),
      ...line('oracle', 'oracle', COLOURS.green, true),
      ...line('consensus', 'consensus', COLOURS.orange),
      ...line(better, `energy (${better})`, COLOURS.blue),
      ...line('gated', 'behind its gate', COLOURS.purple),
    ],
    ticks: levels.map((n, i) => [x[i]!, String(n)]),
    marks: ring,
  });
}

/** Room above the reliability diagram for two lines of counts. */
const COUNTS = 34;

/** Accuracy against confidence, before and after: a dot a bin that holds rows, lines between neighbouring bins only. */
export function reliabilityPlot({ reliability }: Report): string {
  const names = legend(
    [
      ['before (tau of the card)', COLOURS.orange],
      ['after (fitted tau)', COLOURS.blue],
    ],
    WIDTH,
  );
  const plot = frame(
    WIDTH,
    HEIGHT + COUNTS,
    { range: [0, 1], title: 'confidence (largest probability)' },
    { range: [0, 1], title: 'accuracy' },
    COUNTS,
  );
  const { x, y } = plot;
  const diagonal = `<line class="ideal" x1="${px(x(0))}" y1="${px(y(0))}" x2="${px(x(1))}" y2="${px(y(1))}"/>`;
  const body = [
    plot.axes,
    diagonal,
    binDots(plot, reliability.before, COLOURS.orange, 37),
    binDots(plot, reliability.after, COLOURS.blue, 48),
    `<text class="small" x="52" y="37" text-anchor="end" dy="0.32em">rows</text>`,
    names.svg,
  ];
  return svg(plot, 'Reliability diagram before and after calibration', body.join(''));
}

/** Dots with bars and joining lines, and the count of each bin that holds rows on a line at `countY`. */
function binDots({ x, y }: Frame, bins: readonly ReportBin[], colour: string, countY: number): string {
  const line = `fill="none" stroke="${colour}" stroke-opacity="0.45"`;
  return bins
    .map(({ count, share, confidence, accuracy: { value, low, high } }, i) => {
      if (count === 0 || confidence === null || value === null) return '';
      const [atX, atY] = [px(x(confidence)), px(y(value))];
      const before = bins[i - 1];
      const joined =
        before === undefined || before.confidence === null || before.accuracy.value === null
          ? ''
          : `<line ${line} x1="${px(x(before.confidence))}" y1="${px(y(before.accuracy.value))}" x2="${atX}" y2="${atY}"/>`;
      const middle = px(x((i + 0.5) / bins.length));
      return (
        `${joined}<line ${line} x1="${atX}" x2="${atX}" y1="${px(y(low ?? value))}" y2="${px(y(high ?? value))}"/>` +
        `<circle fill="${colour}" cx="${atX}" cy="${atY}" r="${px(2 + 9 * Math.sqrt(share))}" fill-opacity="0.75"/>` +
        `<text class="small" x="${middle}" y="${countY}" text-anchor="middle" dy="0.32em" style="fill: ${colour}">${count}</text>`
      );
    })
    .join('');
}

/** Shares of expert and negative energies over common bins. */
export function histogramPlot({ plots: { histogram } }: Report): string {
  const { edges, series } = histogram;
  const colours = [COLOURS.blue, COLOURS.orange, COLOURS.grey];
  const names = legend(
    series.map(({ name, count }, i) => [`${seriesName(name)} (${count})`, colours[i]!]),
    WIDTH,
  );
  const top = Math.max(...series.flatMap(({ shares }) => shares));
  const plot = frame(
    WIDTH,
    HEIGHT + names.room,
    { range: [edges[0]!, edges.at(-1)!], title: 'energy (the end bins hold the tails)' },
    { range: [0, top * 1.05], title: 'share of chunks' },
    names.room,
  );
  const areas = series.map(({ shares }, i) => {
    const steps = shares.map(
      (share, bin) => `L${px(plot.x(edges[bin]!))},${px(plot.y(share))}H${px(plot.x(edges[bin + 1]!))}`,
    );
    const path = `M${px(plot.x(edges[0]!))},${px(plot.y(0))}${steps.join('')}V${px(plot.y(0))}Z`;
    return `<path d="${path}" fill="${colours[i]!}" fill-opacity="0.28" stroke="${colours[i]!}" stroke-width="1.3"/>`;
  });
  return svg(plot, 'Histogram of energies', plot.axes + areas.join('') + names.svg);
}

/** Mean energy at growing noise. */
export function noisePlot({ noise }: Report): string {
  // square roots: the small sizes, which matter most, stand apart
  const x = noise.sigmas.map(Math.sqrt);
  return linePlot({
    title: 'Energy against noise',
    xTitle: 'noise sigma (action units, square-root scale)',
    yTitle: 'mean energy',
    series: [{ name: 'expert + noise', colour: COLOURS.blue, x, figures: noise.energies }],
    ticks: noise.sigmas.map((sigma, i) => [x[i]!, String(sigma)]),
  });
}

/** Mean per-step energies over the chunk, expert against swap. */
export function stepsPlot({ steps }: Report): string {
  const x = steps.expert.map((_, step) => step);
  const every = Math.ceil(x.length / 12);
  return linePlot({
    title: 'Energy by step of the chunk',
    xTitle: 'step of the chunk',
    yTitle: 'mean per-step energy (readout)',
    series: [
      { name: 'expert', colour: COLOURS.blue, x, figures: steps.expert },
      { name: 'swap', colour: COLOURS.orange, x, figures: steps.swap },
    ],
    ticks: x.filter((step) => step % every === 0).map((step) => [step, String(step)]),
  });
}

function seriesName(name: string): string {
  return name === 'swap' ? 'swap negatives' : name.replace('noise_', 'expert + noise ');
}
