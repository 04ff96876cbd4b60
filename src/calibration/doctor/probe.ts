/** What a probe feeds a model, a few contexts and chunks, from data where given, otherwise seeded random ones; and what it found. */
import type { ModelCard } from '../../model/card.js';
import { visibleRanges, type Ranges } from '../../model/context.js';
import { seededRandom, type Random } from '../../random.js';
import { toFloat32 } from '../../tensor/tensor.js';
import { actionSpread, freeDims } from '../data/action-scale.js';
import type { CalibrationData } from '../data/calibration-data.js';

export interface ProbeInputs {
  /** Token states [S, D] in float32 and what is visible of them; at least two visible tokens for cross_attention. */
  readonly contexts: readonly {
    readonly tokens: number;
    readonly hidden: Float32Array;
    readonly visible: Ranges;
  }[];
  /** Chunks [Q, H, A] whose steps differ from each other: a chunk that stands still would hide the order of steps. */
  readonly chunks: Float32Array;
  readonly count: number; // Q
  readonly steps: number; // H
  readonly dims: number; // A
  /** Dims that probes change, see `freeDims`. */
  readonly free: readonly number[];
  /** Where they come from, for the report. */
  readonly source: 'data' | 'random';
}

const CONTEXTS = 8;
const CHUNKS = 16;
/** Tokens of a random context: enough for attention to weigh, cheap at any width. */
const RANDOM_TOKENS = 32;
/** Chunk steps where the card does not say. */
const USUAL_STEPS = 8;

/**
 * Standard normal token states, actions uniform in [-1, 1] (or the card's bounds), the gripper at one of its two values,
 * derived dims at rest.
 */
export function randomInputs(card: ModelCard, seed: number): ProbeInputs {
  const random = seededRandom(seed, 'probe');
  const tokens = card.architecture === 'global_context' ? 1 : RANDOM_TOKENS;
  const steps = card.chunk ?? USUAL_STEPS;
  const dims = card.action_dim;
  const contexts = Array.from({ length: CONTEXTS }, () => ({
    tokens,
    hidden: Float32Array.from({ length: tokens * card.state_dim }, () => random.normal()),
    visible: [[0, tokens]] as const,
  }));
  const chunks = Float32Array.from({ length: CHUNKS * steps * dims }, (_, i) =>
    randomAction(card, i % dims, random),
  );
  return { contexts, chunks, count: CHUNKS, steps, dims, free: freeDims(card), source: 'random' };
}

function randomAction(
  { actions: { bounds, gripper, derived } }: ModelCard,
  dim: number,
  random: Random,
): number {
  if (dim === gripper?.index && gripper.coding === 'zero_one') return random.below(2);
  if (dim === gripper?.index && gripper.coding === 'minus_one_one') return 2 * random.below(2) - 1;
  const low = bounds?.low[dim] ?? -1;
  const high = bounds?.high[dim] ?? 1;
  if (derived?.includes(dim) === true) return Math.min(high, Math.max(low, 0));
  return low + (high - low) * random.uniform();
}

/** Contexts of evenly spaced rows; chunks whose every step is some expert's, from rows all over the data. */
export async function dataInputs(data: CalibrationData, card: ModelCard, seed: number): Promise<ProbeInputs> {
  const random = seededRandom(seed, 'probe');
  const { rows, steps, dims } = data;
  const contexts: ProbeInputs['contexts'][number][] = [];
  const looked = Math.min(CONTEXTS, rows);
  for (let i = 0; i < looked; i++) {
    const row = Math.floor((i * rows) / looked);
    const { tokens, masked } = await data.tokens(row);
    // rows that no engine would take are the data probes' business
    if (tokens - masked < (card.architecture === 'cross_attention' ? 2 : 1)) continue;
    const { hidden, mask } = await data.context(row);
    const visible = visibleRanges(mask?.bytes, tokens, 'pad_mask', card.mask_polarity);
    contexts.push({ tokens, hidden: toFloat32('hidden', hidden), visible });
  }
  const chunks = new Float32Array(CHUNKS * steps * dims);
  for (let step = 0; step < CHUNKS * steps; step++) {
    const expert = await data.actions(random.below(rows));
    const from = random.below(steps) * dims;
    chunks.set(expert.subarray(from, from + dims), step * dims);
  }
  const free = freeDims(card, await actionSpread(data));
  return { contexts, chunks, count: CHUNKS, steps, dims, free, source: 'data' };
}

export type Level =
  /** Measured and sound. */
  | 'ok'
  /** True of the model, and worth knowing, but not a fault: a trait of its architecture, or a probe that could not be made. */
  | 'note'
  /** Likely to cost quality; look before use. */
  | 'warning'
  /** Do not let this choose actions. */
  | 'failure';

export interface Finding {
  readonly probe: string;
  readonly level: Level;
  /** What was measured, with numbers. */
  readonly measured: string;
  /** What it means for the robot; empty when the probe is `ok`. */
  readonly means: string;
  /** What to do; empty when there is nothing to do. */
  readonly act: string;
}

export function ok(probe: string, measured: string): Finding {
  return { probe, level: 'ok', measured, means: '', act: '' };
}
