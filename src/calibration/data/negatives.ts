/**
 * Wrong chunks made from an expert's, and those that the data bring along. Every kind asks the energy model one question:
 * does it see that the chunk is late, too far, bent to one side, grips when it should not, or belongs elsewhere?
 */
import type { ModelCard } from '../../model/card.js';
import type { CalibrationData } from './calibration-data.js';
import { seededRandom } from '../../random.js';
import { freeDims } from './action-scale.js';

/** Steps by which a chunk runs ahead of its time; the last action is held. */
export const TIME_SHIFTS = [1, 2, 3] as const;
export const AMPLITUDES = [0.5, 1.5, 2.0] as const;
/** Noise sizes in action units (see action-scale.ts): the training's three and one that nobody should mistake. */
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
 * The kinds for these data, in a fixed order. `units` [A] is the size of one action unit by dim; only the dims `free` are
 * changed. The same seed and row give the same chunks whatever else is asked.
 */
export function planNegatives(
  data: CalibrationData,
  card: ModelCard,
  units: Float64Array,
  seed: number,
  free: readonly number[] = freeDims(card),
): NegativePlan {
  const { steps, dims } = data;
  const gripper = card.actions.gripper?.index;
  const movingDims = free.filter((dim) => dim !== gripper);
  const isFree = Array.from({ length: dims }, (_, dim) => free.includes(dim));
  const isMoving = isFree.map((is, dim) => is && dim !== gripper);
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
        return expert.map((value, i) => {
          const draw = random.normal();
          return isFree[i % dims] ? value + sigma * units[i % dims]! * draw : value;
        });
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
      make: (expert) => expert.map((value, i) => (isMoving[i % dims] ? value * amplitude : value)),
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

  const flip = gripperFlip(card, free);
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
export function gripperFlip(
  { actions }: ModelCard,
  free: readonly number[],
): ((value: number) => number) | string {
  const { gripper, bounds } = actions;
  if (gripper === undefined) return 'the card declares no gripper';
  if (!free.includes(gripper.index)) return 'the gripper never moves in the data';
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
