/** The report's pictures in their order, each with the name of its file and what it shows. */
import { number } from '../figure.js';
import type { Reported } from '../reported.js';
import { costName } from '../tables/choosing.js';
import { controlPlot, histogramPlot, noisePlot, reliabilityPlot, stepsPlot } from './curves.js';
import { landscapePlot, matrixPlot } from './maps.js';

export interface Picture {
  /** Its file name without the end. */
  readonly name: string;
  readonly svg: string;
  readonly caption: string;
}

export function pictures({ report, better }: Reported): Picture[] {
  const { choice, reliability, noise } = report;
  const landscape = landscapePlot(report);
  const { row, dim_names: dims } = report.plots.landscape ?? {};
  return [
    ...(choice === null
      ? []
      : [
          {
            name: 'control',
            svg: controlPlot(choice, better, costName(choice)),
            caption: `Expected cost of the pick among N candidates, lower is better. Bands: 95 percent intervals. The energy's pick is best with ${choice.peak.candidates} of ${choice.candidates}.`,
          },
        ]),
    {
      name: 'reliability',
      svg: reliabilityPlot(report),
      caption: `Reliability before and after calibration. ECE ${number(reliability.ece_before.value)} before, ${number(reliability.ece_after.value)} after. Above: rows in each bin. Bars: 95 percent intervals.`,
    },
    {
      name: 'energies',
      svg: histogramPlot(report),
      caption:
        'Energies of expert chunks, of swap negatives (the expert chunk of another context) and of experts with large noise.',
    },
    {
      name: 'noise',
      svg: noisePlot(report),
      caption: `Mean energy of expert chunks with growing noise (one draw a row, scaled). Spearman ${number(noise.spearman.value)}.`,
    },
    {
      name: 'steps',
      svg: stepsPlot(report),
      caption: 'Mean energy at each step of the chunk, for experts and for swap negatives.',
    },
    {
      name: 'matrix',
      svg: matrixPlot(report),
      caption: `Energies of one reported batch of ${report.batch}: each context with the chunk of every other, in the order of task, episode and step. A model that can choose has a dark diagonal. Lines part tasks; dots: near-duplicates.`,
    },
    ...(landscape === undefined
      ? []
      : [
          {
            name: 'landscape',
            svg: landscape,
            caption: `Energy around the expert chunk of row ${row}, whole chunk pushed along ${dims?.join(' and ')}. Cross: the expert; circle: the lowest energy.`,
          },
        ]),
  ];
}
