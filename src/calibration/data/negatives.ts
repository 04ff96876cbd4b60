/**
 * Wrong chunks made from an expert's, and those that the data bring along. Every kind asks the energy model one question:
 * does it see that the chunk is late, too far, bent to one side, grips when it should not, or belongs elsewhere?
 */
import type { ModelCard } from '../../model/card.js';
import type { CalibrationData } from './calibration-data.js';
import { seededRandom } from '../../random.js';

/** Steps by which a chunk runs ahead of its time; the last action is held. */
export const TIME_SHIFTS = [1, 2, 3] as const;
export const AMPLITUDES = [0.5, 1.5, 2.0] as const;
/** Noise sizes in action units (see `actionUnits`): the training's three and one that nobody should mistake. */
export const NOISE_SIGMAS = [0.05, 0.15, 0.3, 1.0] as const;
/** How far a chunk is pushed along one dim, in action units. */
export const PUSH = 0.5;
/** Of the chunks that the data bring along no more than these are scored, so that a pass stays near the cost of encoding. */
export const MOST_EXPLICIT = 4;
export const MOST_LAYERS = 4;

/** One kind of negative: `count` chunks of it for each row. */
export interface NegativeKind {
  readonly name: string;
  /** What was done to the chunk, in words for a report. */
  readonly meaning: string;
  /** Brought along by the data, not made from the expert's chunk. */
  readonly given: boolean;
  readonly count: number;
  readonly make: (expert: Float32Array, row: number) => Promise<Float32Array> | Float32Array;
}

export interface NegativePlan {
  readonly kinds: readonly NegativeKind[];
  /** Kinds that these data or this card do not allow, each with the reason. */
  readonly omitted: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * The kinds for these data, in a fixed order. `units` [A] is the size of one action unit by dim. The same seed and row
 * give the same chunks whatever else is asked.
 */
export function planNegatives(
  data: CalibrationData,
  card: ModelCard,
  units: Float64Array,
  seed: number,
): NegativePlan {
  const { steps, dims } = data;
  const gripper = card.actions.gripper?.index;
  const movingDims = Array.from({ length: dims }, (_, dim) => dim).filter((dim) => dim !== gripper);
  const kinds: NegativeKind[] = [];
  const omitted: { name: string; reason: string }[] = [];

  if (data.explicit > 0) {
    const count = Math.min(data.explicit, MOST_EXPLICIT);
    const meaning = `given in the data${count < data.explicit ? `, the first ${count} of ${data.explicit}` : ''}`;
    kinds.push({
      name: 'explicit',
      meaning,
      given: true,
      count,
      make: (_, row) => data.negatives(row, count),
    });
  } else omitted.push({ name: 'explicit', reason: 'the data have no `negatives`' });

  for (const layer of chosenLayers(data.layers)) {
    kinds.push({
      name: `layer_${layer}`,
      meaning: `decoded from layer ${layer}`,
      given: true,
      count: 1,
      make: (_, row) => data.layerActions(layer, row),
    });
  }
  if (data.layers === 0) omitted.push({ name: 'layer', reason: 'the data have no `layer_actions`' });

  if (data.hasPolicy) {
    kinds.push({
      name: 'policy',
      meaning: "the policy's own chunk",
      given: true,
      count: 1,
      make: (_, row) => data.policyActions(row),
    });
  } else omitted.push({ name: 'policy', reason: 'the data have no `policy_actions`' });

  for (const sigma of NOISE_SIGMAS) {
    kinds.push({
      name: noiseName(sigma),
      meaning: `normal noise of ${sigma} added`,
      given: false,
      count: 1,
      make: (expert, row) => {
        // one draw a row for all sizes: then only the size differs
        const random = seededRandom(seed + row, 'noise');
        return expert.map((value, i) => value + sigma * units[i % dims]! * random.normal());
      },
    });
  }

  for (const shift of TIME_SHIFTS) {
    if (shift >= steps) {
      omitted.push({ name: `time_shift_${shift}`, reason: `a chunk has only ${steps} steps` });
      continue;
    }
    kinds.push({
      name: `time_shift_${shift}`,
      meaning: `${shift} step${shift > 1 ? 's' : ''} ahead of its time, the last action held`,
      given: false,
      count: 1,
      make: (expert) =>
        expert.map((_, i) => expert[Math.min(Math.floor(i / dims) + shift, steps - 1) * dims + (i % dims)]!),
    });
  }

  for (const amplitude of AMPLITUDES) {
    kinds.push({
      name: `amplitude_${amplitude}`,
      meaning: `motion scaled by ${amplitude}, the gripper as it was`,
      given: false,
      count: 1,
      make: (expert) => expert.map((value, i) => (i % dims === gripper ? value : value * amplitude)),
    });
  }

  if (movingDims.length > 0) {
    kinds.push({
      name: 'direction',
      meaning: `pushed by ${PUSH} along one dim, drawn for each row`,
      given: false,
      count: 1,
      make: (expert, row) => {
        const random = seededRandom(seed + row, 'direction');
        const dim = movingDims[random.below(movingDims.length)]!;
        const push = (random.uniform() < 0.5 ? -PUSH : PUSH) * units[dim]!;
        return expert.map((value, i) => (i % dims === dim ? value + push : value));
      },
    });
  }

  const flip = gripperFlip(card);
  if (typeof flip === 'string') omitted.push({ name: 'gripper_flip', reason: flip });
  else {
    kinds.push({
      name: 'gripper_flip',
      meaning: 'open where the expert closes, and the reverse',
      given: false,
      count: 1,
      make: (expert) => expert.map((value, i) => (i % dims === gripper ? flip(value) : value)),
    });
  }
  return { kinds, omitted };
}

export function noiseName(sigma: number): string {
  return `noise_${sigma}`;
}

/** The gripper's other value, or why it has none. */
export function gripperFlip({ actions }: ModelCard): ((value: number) => number) | string {
  const { gripper, bounds } = actions;
  if (gripper === undefined) return 'the card declares no gripper';
  switch (gripper.coding) {
    case 'zero_one':
      return (value) => 1 - value;
    case 'minus_one_one':
      return (value) => -value;
    case 'continuous': {
      if (bounds === undefined)
        return 'the gripper is continuous and the card declares no bounds to mirror it in';
      const sum = bounds.low[gripper.index]! + bounds.high[gripper.index]!;
      return (value) => sum - value;
    }
  }
}

/** Layer 1 (the usual pick) when there is one, and others spread over the rest. */
function chosenLayers(layers: number): number[] {
  if (layers <= MOST_LAYERS) return Array.from({ length: layers }, (_, layer) => layer);
  const spread = Array.from({ length: MOST_LAYERS - 1 }, (_, i) =>
    Math.round(1 + ((i + 1) * (layers - 2)) / (MOST_LAYERS - 1)),
  );
  return [1, ...spread];
}

/**
 * Size of one action unit by dim, [A]: 1 when the card says `normalized_q99` (values lie in [-1, 1]); otherwise the
 * standard deviation of the experts' values, so that noise of 0.3 means the same in metres and radians. A dim that never
 * moves counts as 1.
 */
export async function actionUnits(data: CalibrationData, card: ModelCard): Promise<Float64Array> {
  const { dims } = data;
  if (card.actions.units === 'normalized_q99') return new Float64Array(dims).fill(1);
  const spread = await actionSpread(data);
  return spread.map((value) => (value > 0 ? value : 1));
}

/** Rows looked at to learn how far actions spread. */
const SPREAD_ROWS = 2048;

/** Standard deviation of the experts' values by dim, [A], over evenly spaced rows. */
export async function actionSpread(data: CalibrationData): Promise<Float64Array> {
  const { rows, dims, steps } = data;
  const sum = new Float64Array(dims);
  const squares = new Float64Array(dims);
  const looked = Math.min(rows, SPREAD_ROWS);
  for (let i = 0; i < looked; i++) {
    const chunk = await data.actions(Math.floor((i * rows) / looked));
    chunk.forEach((value, at) => {
      sum[at % dims]! += value;
      squares[at % dims]! += value * value;
    });
  }
  const count = looked * steps;
  return sum.map((total, dim) => Math.sqrt(Math.max(0, squares[dim]! / count - (total / count) ** 2)));
}
