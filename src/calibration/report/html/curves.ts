/** Plots over one axis: reliability, histograms, energy against noise, energies over the chunk. */
import type { ReportFigure } from '../figure.js';
import type { Report, ReportBin } from '../report-schema.js';
import { COLOURS, escapeText, frame, padded, px, svg } from './svg.js';

const WIDTH = 470;
const HEIGHT = 310;

interface Series {
  readonly name: string;
  readonly colour: string;
  readonly x: readonly number[];
  readonly figures: readonly ReportFigure[];
}

/** Reliability diagram: accuracy against confidence, before and after; a dot's area grows with its share of rows. */
export function reliabilityPlot({ reliability }: Report): string {
  const plot = frame(
    WIDTH,
    HEIGHT,
    { range: [0, 1], title: 'confidence (largest probability)' },
    { range: [0, 1], title: 'accuracy' },
  );
  const { x, y } = plot;
  const diagonal = `<line class="ideal" x1="${px(x(0))}" y1="${px(y(0))}" x2="${px(x(1))}" y2="${px(y(1))}"/>`;
  const dots = (bins: readonly ReportBin[], colour: string): string => {
    const known = bins.flatMap(({ share, confidence, accuracy: { value, low, high } }) =>
      share > 0 && confidence !== null && value !== null
        ? [{ share, confidence, value, low: low ?? value, high: high ?? value }]
        : [],
    );
    const path = known.map(({ confidence, value }) => `${px(x(confidence))},${px(y(value))}`).join(' ');
    const marks = known.map(
      ({ share, confidence, value, low, high }) =>
        `<line stroke="${colour}" stroke-opacity="0.45" x1="${px(x(confidence))}" x2="${px(x(confidence))}" y1="${px(y(low))}" y2="${px(y(high))}"/>` +
        `<circle fill="${colour}" cx="${px(x(confidence))}" cy="${px(y(value))}" r="${px(2 + 9 * Math.sqrt(share))}" fill-opacity="0.75"/>`,
    );
    return `<polyline fill="none" stroke="${colour}" stroke-opacity="0.45" points="${path}"/>${marks.join('')}`;
  };
  const body =
    plot.axes +
    diagonal +
    dots(reliability.before, COLOURS.orange) +
    dots(reliability.after, COLOURS.blue) +
    legend([
      ['before (tau of the card)', COLOURS.orange],
      ['after (fitted tau)', COLOURS.blue],
    ]);
  return svg(plot, 'Reliability diagram before and after calibration', body);
}

/** Shares of expert and negative energies over common bins. */
export function histogramPlot({ plots: { histogram } }: Report): string {
  const { edges, series } = histogram;
  const top = Math.max(...series.flatMap(({ shares }) => shares));
  const plot = frame(
    WIDTH,
    HEIGHT,
    { range: [edges[0]!, edges.at(-1)!], title: 'energy (the end bins hold the tails)' },
    { range: [0, top * 1.05], title: 'share' },
  );
  const colours = [COLOURS.blue, COLOURS.orange, COLOURS.grey];
  const areas = series.map(({ shares }, i) => {
    const steps = shares.map(
      (share, bin) => `L${px(plot.x(edges[bin]!))},${px(plot.y(share))}H${px(plot.x(edges[bin + 1]!))}`,
    );
    const path = `M${px(plot.x(edges[0]!))},${px(plot.y(0))}${steps.join('')}V${px(plot.y(0))}Z`;
    return `<path d="${path}" fill="${colours[i]!}" fill-opacity="0.28" stroke="${colours[i]!}" stroke-width="1.3"/>`;
  });
  const names = series.map(({ name }, i): [string, string] => [seriesName(name), colours[i]!]);
  return svg(plot, 'Histogram of energies', plot.axes + areas.join('') + legend(names));
}

/** Mean energy at growing noise. */
export function noisePlot({ noise }: Report): string {
  // square roots: the small sizes, which matter most, stand apart
  const x = noise.sigmas.map(Math.sqrt);
  const series = [{ name: 'expert + noise', colour: COLOURS.blue, x, figures: noise.energies }];
  const ticks = noise.sigmas.map((sigma, i): [number, string] => [x[i]!, String(sigma)]);
  const title = 'noise sigma (action units, square-root scale)';
  return linePlot('Energy against noise', title, 'mean energy', series, ticks);
}

/** Mean per-step energies over the chunk, expert against swap. */
export function stepsPlot({ steps }: Report): string {
  const x = steps.expert.map((_, step) => step);
  const series = [
    { name: 'expert', colour: COLOURS.blue, x, figures: steps.expert },
    { name: 'swap', colour: COLOURS.orange, x, figures: steps.swap },
  ];
  const every = Math.ceil(x.length / 12);
  const ticks = x.filter((step) => step % every === 0).map((step): [number, string] => [step, String(step)]);
  const title = 'mean per-step energy (readout)';
  return linePlot('Energy by step of the chunk', 'step of the chunk', title, series, ticks);
}

function linePlot(
  title: string,
  xTitle: string,
  yTitle: string,
  series: readonly Series[],
  ticks: readonly (readonly [number, string])[],
): string {
  const all = series.flatMap(({ figures }) =>
    figures.flatMap(({ value, low, high }) => [value, low, high].filter((bound) => bound !== null)),
  );
  const xs = series.flatMap(({ x }) => x);
  const plot = frame(
    WIDTH,
    HEIGHT,
    { range: padded(xs, 0.03), title: xTitle, ticks },
    { range: padded(all), title: yTitle },
  );
  const lines = series.map(({ colour, x, figures }) => {
    const points = figures.flatMap(({ value, low, high }, i) =>
      value === null
        ? []
        : [
            {
              at: plot.x(x[i]!),
              value: plot.y(value),
              low: plot.y(low ?? value),
              high: plot.y(high ?? value),
            },
          ],
    );
    const band = [
      ...points.map(({ at, high }) => `${px(at)},${px(high)}`),
      ...points.toReversed().map(({ at, low }) => `${px(at)},${px(low)}`),
    ].join(' ');
    const path = points.map(({ at, value }) => `${px(at)},${px(value)}`).join(' ');
    const dots = points.map(
      ({ at, value }) => `<circle cx="${px(at)}" cy="${px(value)}" r="3" fill="${colour}"/>`,
    );
    return (
      `<polygon points="${band}" fill="${colour}" fill-opacity="0.18"/>` +
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>${dots.join('')}`
    );
  });
  const names = series.map(({ name, colour }): [string, string] => [name, colour]);
  return svg(plot, title, plot.axes + lines.join('') + legend(names));
}

function seriesName(name: string): string {
  return name === 'swap' ? 'swap negatives' : name.replace('noise_', 'expert + noise ');
}

/** One line above the plot area. */
function legend(entries: readonly (readonly [string, string])[]): string {
  let left = 58;
  return entries
    .map(([name, colour]) => {
      const at = left;
      left += 34 + 6.2 * name.length;
      return (
        `<rect x="${at}" y="10" width="11" height="9" fill="${colour}"/>` +
        `<text x="${at + 16}" y="15" dy="0.32em">${escapeText(name)}</text>`
      );
    })
    .join('');
}
