/** Chunks that were chosen for robots, and how that went. */
import type { Catalogue } from '../metric.js';
import type { ModelSample } from '../sample.js';

export const SELECTION = {
  selections: {
    type: 'counter',
    name: 'action_energy_selections_total',
    unit: 'count',
    labels: ['model', 'rule', 'result'],
    help: 'Answers of SelectAction by rule and by what was executed: candidate, average, refined, or why the baseline. deadline and overload want capacity, not_calibrated a calibration, gate_refused is the gate at work',
    panel: { row: 'verdict', title: 'Selections by result', show: 'share', by: ['result'] },
  },
  outcomes: {
    type: 'counter',
    name: 'action_energy_outcomes_total',
    unit: 'count',
    labels: ['model', 'counted'],
    help: 'Reported outcomes, and whether they counted for the monitor of the gate. None that counts means that the gate is not watched: give baseline_cost, or serve with --control-share',
    panel: { row: 'verdict', title: 'Outcomes reported', show: 'rate', by: ['counted'] },
  },
  gateOpen: {
    type: 'gauge',
    name: 'action_energy_gate_open',
    unit: 'count',
    labels: ['model'],
    help: '1 while energy rules may choose, 0 once outcomes have refuted the bound of the gate; absent before the first request behind it. At 0 find out what changed on the robots, then calibrate again',
    panel: { row: 'verdict', title: 'Gate open', show: 'value' },
    read: ({ gate }: ModelSample) => (gate === undefined ? [] : [[{}, Number(gate.open)]]),
  },
  gateEvidence: {
    type: 'gauge',
    name: 'action_energy_gate_evidence',
    unit: 'ratio',
    labels: ['model'],
    help: 'Evidence against the bound of the gate, an e-value: 1 is none, at 20 the gate closes. A steady rise is a warning: look at the last failures',
    panel: { row: 'verdict', title: 'Evidence against the gate', show: 'value' },
    read: ({ gate }: ModelSample) => (gate === undefined ? [] : [[{}, gate.evidence]]),
  },
  recordedRows: {
    type: 'counter',
    name: 'action_energy_recorded_rows_total',
    unit: 'count',
    labels: ['model', 'outcome'],
    help: 'Decisions that were to be recorded: recorded, no_outcome (nobody reported), full (take shards away, or raise --record-bytes), busy (a slow disk), failed (read the log)',
    panel: { row: 'verdict', title: 'Decisions recorded', show: 'rate', by: ['outcome'] },
  },
} as const satisfies Catalogue;
