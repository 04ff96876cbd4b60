/** Which models are served, and how they are calibrated. */
import type { Catalogue } from '../metric.js';
import type { ModelSample } from '../sample.js';

export const MODELS = {
  modelInfo: {
    type: 'gauge',
    name: 'action_energy_model_info',
    unit: 'info',
    labels: ['model', 'digest', 'architecture', 'provider'],
    help: '1 for what is served now. Instances of a fleet should show one digest a model; a provider cpu where a GPU was meant is in the log',
    panel: { row: 'models', title: 'Models', show: 'table' },
  },
  reloads: {
    type: 'counter',
    name: 'action_energy_reloads_total',
    unit: 'count',
    labels: ['model', 'outcome'],
    help: 'Models loaded, at the start and by reloads. After one that failed the old version goes on: the log says what is wrong with the new one',
    panel: { row: 'models', title: 'Loads of models', show: 'rate', by: ['outcome'] },
  },
  calibrationInfo: {
    type: 'gauge',
    name: 'action_energy_calibration_info',
    unit: 'info',
    labels: ['model', 'state', 'version', 'verdict'],
    help: "1 for how each model is calibrated: NONE, APPLIED or REFUSED (another model's, or damaged). Without one there are no p-values: run calibrate. `verdict` is whether it may choose among its policy's samples (may_choose, may_choose_behind_gate, must_not_choose)",
    panel: { row: 'calibration', title: 'Calibration', show: 'table' },
    read: ({ calibration }: ModelSample) => [[{ ...calibration }, 1]],
  },
  calibrationAge: {
    type: 'gauge',
    name: 'action_energy_calibration_age_seconds',
    unit: 'seconds',
    labels: ['model'],
    help: 'Since the calibration in force was made; absent without one. Cameras, prompts and policies change meanwhile: calibrate again with new expert data every few months, and at once after a drift',
    panel: { row: 'calibration', title: 'Age of the calibration', show: 'value' },
    read: ({ calibrationAgeSeconds: age }: ModelSample) => (age === undefined ? [] : [[{}, age]]),
  },
  calibrationRuns: {
    type: 'counter',
    name: 'action_energy_calibration_runs_total',
    unit: 'count',
    labels: ['model', 'kind', 'outcome'],
    help: 'Calibrate and Evaluate calls that took a place, by how they ended: done, refused (the data, or a reload meanwhile), cancelled, failed (a defect: read the log). The log has a line for each',
    panel: { row: 'calibration', title: 'Calibrations by outcome', show: 'rate', by: ['kind', 'outcome'] },
  },
  calibrationProgress: {
    type: 'gauge',
    name: 'action_energy_calibration_progress_ratio',
    unit: 'ratio',
    labels: ['model'],
    help: 'Share of the rows that a running Calibrate or Evaluate has scored; absent when none runs. Standing still means that live requests leave the engine no time',
    panel: { row: 'calibration', title: 'Progress of a calibration', show: 'value' },
  },
} as const satisfies Catalogue;
