/**
 * The negatives of the explicit and hinge losses: what calibration makes and finds in the data, and two kinds that only
 * training wants, since a report would say the same of them twice. Symbols: H steps, A action dims.
 */
import type { CalibrationData } from '../calibration/data/calibration-data.js';
import { planNegatives, type NegativeKind } from '../calibration/data/negatives.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { seededRandom } from '../random.js';

/** Families by which `--negatives` names them; a kind belongs to the longest name that begins its own. */
export const NEGATIVE_FAMILIES = [
  'explicit',
  'layer',
  'layer_noise',
  'policy',
  'candidates',
  'noise',
  'time_shift',
  'amplitude',
  'direction',
  'gripper_flip',
] as const;
export type NegativeFamily = (typeof NEGATIVE_FAMILIES)[number];

/** The report decodes its negatives from an early layer, alone or with this much noise, in action units. */
const LAYER_NOISE = 0.3;
/** The usual pick; 0 where there is only one. */
const EARLY_LAYER = 1;
/** Of the policy's own candidates, so that the made kinds are not outnumbered. */
const MOST_CANDIDATES = 4;

/**
 * The kinds for these data, those of `families` or all, in a fixed order; the same seed and row give the same chunks. Errors:
 * a family that was asked for by name and that these data or this card do not allow.
 */
export function trainingNegatives(
  data: CalibrationData,
  card: ModelCard,
  units: Float64Array,
  seed: number,
  free: readonly number[],
  families?: readonly NegativeFamily[],
): NegativeKind[] {
  const { kinds, omitted } = planNegatives(data, card, units, seed, free);
  const all = [...kinds, ...layerNoise(data, units, seed, free), ...ownCandidates(data)];
  if (families === undefined) return all;
  for (const family of families) {
    if (all.some(({ name }) => familyOf(name) === family)) continue;
    const reason = omitted.find(({ name }) => familyOf(name) === familyOf(WANTS[family] ?? family))?.reason;
    throw invalid('--negatives', `no ${family} negatives can be made`, {
      found: reason ?? 'the data have none',
      wanted: `one of ${[...new Set(all.map(({ name }) => familyOf(name)))].join(', ')}`,
    });
  }
  return all.filter(({ name }) => families.includes(familyOf(name)));
}

/** What a family is made of, where that has another name. */
const WANTS: Partial<Record<NegativeFamily, string>> = { layer_noise: 'layer' };

function familyOf(kind: string): NegativeFamily {
  const fits = NEGATIVE_FAMILIES.filter((family) => kind === family || kind.startsWith(`${family}_`));
  return fits.reduce((longest, family) => (family.length > longest.length ? family : longest));
}

function layerNoise(
  data: CalibrationData,
  units: Float64Array,
  seed: number,
  free: readonly number[],
): NegativeKind[] {
  if (data.layers === 0) return [];
  const layer = Math.min(EARLY_LAYER, data.layers - 1);
  return [
    {
      name: 'layer_noise',
      meaning: `decoded from layer ${layer}, normal noise of ${LAYER_NOISE} added`,
      given: true,
      count: 1,
      make: async (_, row) => {
        const random = seededRandom(seed + row, 'layer noise');
        const chunk = await data.layerActions(layer, row);
        return chunk.map((value, i) => {
          const dim = i % data.dims;
          const draw = random.normal();
          return free.includes(dim) ? value + LAYER_NOISE * units[dim]! * draw : value;
        });
      },
    },
  ];
}

function ownCandidates(data: CalibrationData): NegativeKind[] {
  const count = Math.min(data.candidates, MOST_CANDIDATES);
  if (count === 0) return [];
  const size = data.steps * data.dims;
  return [
    {
      name: 'candidates',
      meaning: `the first ${count} of the policy's own candidates`,
      given: true,
      count,
      make: async (_, row) => (await data.candidateChunks(row)).subarray(0, count * size),
    },
  ];
}
