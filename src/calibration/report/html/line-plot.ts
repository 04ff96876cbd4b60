/** Lines over one axis, with their intervals as bands or bars. A value that is not defined breaks its line. */
import type { ReportFigure } from '../figure.js';
import { frame, legend, padded, px, svg, type Frame } from './svg.js';

export const WIDTH = 470;
export const HEIGHT = 310;

export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly x: readonly number[];
  readonly figures: readonly ReportFigure[];
  /** A reference: dashed, without its interval. */
  readonly reference?: boolean;
}

export interface LinePlot {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly Series[];
  readonly ticks: readonly (readonly [number, string])[];
  /** What else is drawn, above the lines. */
  readonly marks?: (plot: Frame) => string;
}

export function linePlot({ title, xTitle, yTitle, series, ticks, marks }: LinePlot): string {
  const bounds = series.flatMap(({ figures, reference }) =>
    figures.flatMap(({ value, low, high }) => (reference ? [value] : [value, low, high])),
  );
  const names = legend(
    series.map(({ name, colour }) => [name, colour]),
    WIDTH,
  );
  const plot = frame(
    WIDTH,
    HEIGHT + names.room,
    {
      range: padded(
        series.flatMap(({ x }) => x),
        0.03,
      ),
      title: xTitle,
      ticks,
    },
    { range: padded(bounds.filter((bound) => bound !== null)), title: yTitle },
    names.room,
  );
  const lines = series.map((each) =>
    runs(each, plot)
      .map((run) => runOf(run, each))
      .join(''),
  );
  return svg(plot, title, plot.axes + lines.join('') + (marks?.(plot) ?? '') + names.svg);
}

interface Point {
  readonly at: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Neighbours whose values are defined, in pixels. */
function runs({ x, figures }: Series, plot: Frame): Point[][] {
  const all: Point[][] = [[]];
  figures.forEach(({ value, low, high }, i) => {
    if (value === null) all.push([]);
    else {
      all.at(-1)!.push({
        at: plot.x(x[i]!),
        value: plot.y(value),
        low: plot.y(low ?? value),
        high: plot.y(high ?? value),
      });
    }
  });
  return all.filter((run) => run.length > 0);
}

function runOf(points: readonly Point[], { colour, reference }: Series): string {
  const path = points.map(({ at, value }) => `${px(at)},${px(value)}`).join(' ');
  if (reference) {
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-dasharray="5 4"/>`;
  }
  const band = [
    ...points.map(({ at, high }) => `${px(at)},${px(high)}`),
    ...points.toReversed().map(({ at, low }) => `${px(at)},${px(low)}`),
  ].join(' ');
  const dots = points.map(
    ({ at, value }) => `<circle cx="${px(at)}" cy="${px(value)}" r="3" fill="${colour}"/>`,
  );
  return (
    `<polygon points="${band}" fill="${colour}" fill-opacity="0.15"/>` +
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>${dots.join('')}`
  );
}
