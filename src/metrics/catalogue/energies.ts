/** The energies that are answered, and how good they are on live requests. */
import { ENERGIES as ENERGY_BUCKETS, MARGINS, P_VALUES } from '../buckets.js';
import type { Catalogue, Reading } from '../metric.js';
import type { ModelSample } from '../sample.js';

type Figures = ModelSample['quality'][number];
type Column = keyof NonNullable<Figures['row']>;

/** One value a source: expert and executed as callers say, best where nobody does, which flatters the model. */
function bySource(read: (figures: Figures) => number | undefined) {
  return ({ quality }: ModelSample): Reading[] =>
    quality.flatMap((figures) => {
      const value = read(figures);
      return value === undefined ? [] : [[{ source: figures.source }, value] as const];
    });
}
const mean = (column: Column) => bySource(({ row }) => row?.[column]);

const WINDOW = 'mean of the last 256 samples of at most 10 minutes';
const SOURCE = ['model', 'source'] as const;

export const ENERGIES = {
  energy: {
    type: 'histogram',
    name: 'action_energy_energy',
    unit: 'energy',
    labels: ['model', 'candidate'],
    buckets: ENERGY_BUCKETS,
    help: 'Energies as the model card defines them: of the best candidate, and of the others. Both together at one end is saturation: run doctor',
    panel: {
      row: 'energies',
      title: 'Energies of best and other candidates',
      show: 'quantiles',
      by: ['candidate'],
    },
  },
  pValue: {
    type: 'histogram',
    name: 'action_energy_p_value',
    unit: 'ratio',
    labels: ['model'],
    buckets: P_VALUES,
    help: "p-values of the best candidates: the share of the calibration's experts with an energy as high. Flat from 0 to 1 where live chunks are like the experts' ones; a heap near 0 means that they are not, or that the model does not know these inputs: stop selecting, find what changed",
    panel: { row: 'energies', title: 'p-values of the best candidate', show: 'quantiles' },
  },
  margin: {
    type: 'histogram',
    name: 'action_energy_top_margin',
    unit: 'energy',
    labels: ['model'],
    buckets: MARGINS,
    help: 'How far the best candidate lies below the second. Near 0 the choice is arbitrary: let the policy choose, or propose more different candidates',
    panel: { row: 'energies', title: 'Margin of the best candidate', show: 'quantiles' },
  },
  positiveEnergy: {
    type: 'gauge',
    name: 'action_energy_positive_energy',
    unit: 'energy',
    labels: SOURCE,
    help: `Energy of the right chunk, as the model card defines it; ${WINDOW}. A rise with a flat Negative Energy means that the robots do what the model has not seen`,
    panel: { row: 'energies', title: 'Positive Energy', show: 'value', by: ['source'] },
    read: mean('positive'),
  },
  negativeEnergy: {
    type: 'gauge',
    name: 'action_energy_negative_energy',
    unit: 'energy',
    labels: SOURCE,
    help: `Energy of chunks of other moments in the same context; ${WINDOW}. It should stay well above Positive Energy`,
    panel: { row: 'energies', title: 'Negative Energy', show: 'value', by: ['source'] },
    read: mean('negative'),
  },
  energyGap: {
    type: 'gauge',
    name: 'action_energy_energy_gap',
    unit: 'energy',
    labels: SOURCE,
    help: `Negative less Positive Energy; ${WINDOW}. Towards 0 the model stops telling right from wrong: stop selecting by it`,
    panel: { row: 'energies', title: 'Gap', show: 'value', by: ['source'] },
    read: mean('gap'),
  },
  infonceLoss: {
    type: 'gauge',
    name: 'action_energy_infonce_loss',
    unit: 'nats',
    labels: SOURCE,
    help: `InfoNCE loss of the right chunk among those, nats; ${WINDOW}. At the loss of chance the model knows nothing about these requests`,
    panel: { row: 'infonce', title: 'InfoNCE loss', show: 'value', by: ['source'] },
    read: mean('loss'),
  },
  infonceChance: {
    type: 'gauge',
    name: 'action_energy_infonce_chance',
    unit: 'nats',
    labels: SOURCE,
    help: `InfoNCE loss of a model without preference, nats; ${WINDOW}. The line to compare the loss with`,
    panel: { row: 'infonce', title: 'InfoNCE loss of chance', show: 'value', by: ['source'] },
    read: mean('chance'),
  },
  infonceAccuracy: {
    type: 'gauge',
    name: 'action_energy_infonce_accuracy',
    unit: 'ratio',
    labels: SOURCE,
    help: `Share of samples whose right chunk is below all others; ${WINDOW}. A fall against the calibration's report is a reason to look at the inputs`,
    panel: { row: 'infonce', title: 'InfoNCE accuracy', show: 'value', by: ['source'] },
    read: mean('accuracy'),
  },
  qualitySamples: {
    type: 'counter',
    name: 'action_energy_quality_samples_total',
    unit: 'count',
    labels: ['model', 'outcome', 'cause'],
    help: 'Requests drawn for live quality: taken, or why not (budget, outstanding, few_chunks, busy, request_failed, failed), the last three with the kind of fault that was the cause. With none taken the figures beside are old: an engine that is always busy has no time for them',
    panel: { row: 'infonce', title: 'Samples of live quality', show: 'rate', by: ['outcome', 'cause'] },
  },
  driftPsi: {
    type: 'gauge',
    name: 'action_energy_drift_psi',
    unit: 'count',
    labels: SOURCE,
    help: 'Population stability index of the last 1024 energies of right chunks against the experts of the calibration. Above 0.25 the inputs are not what was calibrated on: calibrate again (source best is lower than experts by nature)',
    panel: { row: 'drift', title: 'Drift of energies (PSI)', show: 'value', by: ['source'] },
    read: bySource(({ drift }) => drift),
  },
  inputMean: {
    type: 'gauge',
    name: 'action_energy_input_mean',
    unit: 'count',
    labels: ['model', 'input', 'of'],
    help: 'What the model is shown: token_norm (mean L2 norm of visible tokens), masked_share (of the tokens of a context), action_range (largest magnitude in the right chunk, in action units); mean of the last 1024 samples of at most 10 minutes (`of` live), and of the calibration. Where the two part, look at camera, prompt, mask or action normalisation',
    panel: { row: 'drift', title: 'Inputs, live and calibrated', show: 'value', by: ['input', 'of'] },
    read: ({ inputs }: ModelSample) =>
      inputs.flatMap(({ input, live, calibrated }) => [
        ...(live === undefined ? [] : [[{ input, of: 'live' }, live] as const]),
        ...(calibrated === undefined ? [] : [[{ input, of: 'calibration' }, calibrated] as const]),
      ]),
  },
  inputDriftPsi: {
    type: 'gauge',
    name: 'action_energy_input_drift_psi',
    unit: 'count',
    labels: ['model', 'input'],
    help: "Population stability index of those inputs against the calibration's rows; absent before 200 samples, and without a calibration that has them. Above 0.25 the model sees what it was not calibrated on, whatever its energies say: find what changed, or calibrate again",
    panel: { row: 'drift', title: 'Drift of inputs (PSI)', show: 'value', by: ['input'] },
    read: ({ inputs }: ModelSample) =>
      inputs.flatMap(({ input, psi }) => (psi === undefined ? [] : [[{ input }, psi] as const])),
  },
} as const satisfies Catalogue;
