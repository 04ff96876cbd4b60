/**
 * The doctor: probes a model for the traps that a good training loss hides, and with data for whether it tells right from wrong
 * at all. On a healthy model every finding is `ok` or a `note`; notes state traits of the architecture (cross-attention cannot see the scale of a chunk) and probes that could
 * not be made. Sensitivities are measured on raw pooled scores, as shares of the spread between different chunks.
 */
import type { Engine } from '../../engine/engine.js';
import { invalid } from '../../errors.js';
import type { ModelCard } from '../../model/card.js';
import type { Weights } from '../../model/weights.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { actionFindings, actionVariants } from './action-probes.js';
import { contextFindings } from './context-probes.js';
import { dataFindings, unitsWithoutData } from './data-probes.js';
import { expertFindings } from './expert-probes.js';
import { ok, type Finding, type Level, dataInputs, randomInputs, type ProbeInputs } from './probe.js';
import { layerFinding, saturationWithoutData, spreadFinding } from './model-probes.js';
import { scoreProbes } from './measure.js';

export interface DoctorOptions {
  readonly engine: Engine;
  readonly card: ModelCard;
  readonly weights: Weights;
  /** Without data, seeded random contexts and chunks are used and the data probes are left out. */
  readonly data?: CalibrationData;
  readonly seed?: number;
  /** Temperature of the energies that a calibration in force has fitted; absent: the card's. */
  readonly tau?: number;
}

/** All findings, most severe first. Errors: a failing engine. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const { engine, card, weights, data, seed = 0, tau } = options;
  const findings: Finding[] = [layerFinding(weights, card)];
  if (data === undefined) {
    findings.push(unitsWithoutData(card));
    if (card.architecture === 'cross_attention') {
      findings.push(
        ok('one-token contexts', 'refused by every entry point: one key would make all energies equal'),
      );
    }
  } else findings.push(...(await dataFindings(data, card)));
  const inputs: ProbeInputs = data ? await dataInputs(data, card, seed) : randomInputs(card, seed);
  if (inputs.contexts.length < 2) {
    if (findings.some(({ level }) => level === 'failure')) return bySeverity(findings);
    throw invalid('data', 'too few contexts to probe with', {
      found: String(inputs.contexts.length),
      wanted: 'at least 2',
    });
  }
  const variants = actionVariants(inputs, card);
  const scores = await scoreProbes(engine, card, inputs.contexts, variants, inputs);
  findings.push(...actionFindings(scores, inputs, card));
  findings.push(...(await contextFindings(engine, card, inputs, seed)));
  findings.push(spreadFinding(scores, tau ?? card.tau, tau !== undefined));
  if (data === undefined) findings.push(saturationWithoutData(scores, card), NO_DATA);
  else findings.push(...(await expertFindings(engine, card, data, seed)));
  return bySeverity(findings);
}

const NO_DATA: Finding = {
  probe: 'experts against swaps',
  level: 'note',
  measured: 'not measured without data',
  means: 'Nobody knows whether it tells right from wrong: an untrained model passes all other probes.',
  act: 'Run the doctor with data.',
};

const SEVERITY: Readonly<Record<Level, number>> = { failure: 0, warning: 1, note: 2, ok: 3 };

function bySeverity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => SEVERITY[a.level] - SEVERITY[b.level]);
}
