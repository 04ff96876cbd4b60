/** Does a model reproduce the energies that the training code computed? And if not: which setting would? */
import { openScoreData, type ScoreData } from '../data/score-data.js';
import { inMemory } from '../data/tensor-file.js';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { energiesFromRaw } from '../model/energy.js';
import type { Weights } from '../model/weights.js';
import { candidatesOf } from '../offline/score-file.js';
import { scoreContexts } from '../offline/score-contexts.js';
import { isFloatDType, toFloat32, formatShape, type Tensor } from '../tensor/tensor.js';
import { readTensors } from '../weights/checkpoint.js';
import { engineSettings, inverted, readoutSettings, withSetting } from './declared-settings.js';

export interface Verified {
  readonly energies: number;
  readonly largestDifference: number;
}

/** Three lines for whoever has the model in PyTorch; `import --help` prints them. */
export const VERIFY_SNIPPET = `\
  with torch.no_grad():  # model.eval(), float32; actions [B,H,A] as in training, energies [B]
      energies = model(hidden, actions, pad_mask)
  safetensors.torch.save_file({"hidden": hidden, "actions": actions, "pad_mask": pad_mask, "energies": energies}, "expected.safetensors")`;

/** Contexts looked at; a few tell settings apart. */
const MOST_CONTEXTS = 64;
/** Float32 sums in another order: allowed differences as shares of the energies' size and of their spread. */
const SIZE_SHARE = 2e-5;
const SPREAD_SHARE = 1e-3;

/**
 * Energies [B] (or [B, N] beside `candidates`) of a file against those of the model. Errors: a file without `energies` or
 * of another layout; energies that are not reproduced, with the flags that would reproduce them, or the nearest ones.
 */
export async function verifyEnergies(
  card: ModelCard,
  weights: Weights,
  path: string,
  onTry: (what: string) => void = () => undefined,
): Promise<Verified> {
  const tensors = await readTensors(path);
  const energies = tensors.get('energies');
  tensors.delete('energies');
  if (energies === undefined || !isFloatDType(energies.dtype)) {
    throw invalid(`${path}: energies`, energies ? 'not floating-point' : 'missing', {
      found: energies?.dtype ?? ([...tensors.keys()].join(', ') || 'no tensors'),
      wanted: 'energies [B] beside hidden and actions',
    });
  }
  const expected = await expectedOf(path, tensors, energies, card);
  const tolerance = toleranceFor(expected);
  const cards = tensors.has('pad_mask')
    ? (each: ModelCard) => [each, inverted(each)]
    : (each: ModelCard) => [each];
  let nearest = { difference: Infinity, flags: [] as readonly string[] };
  let declared: number | undefined;
  for (const setting of engineSettings(card)) {
    if (setting.flags.length > 0) onTry(setting.flags.join(' '));
    for (const variant of cards(setting.card)) {
      const raw = await withSetting(
        setting,
        weights,
        async (engine) => {
          const data = await openScoreData(inMemory(path, tensors), variant);
          return rawSteps(engine, data);
        },
        variant === card,
      );
      for (const { readout, pool, flags } of raw ? readoutSettings(card) : []) {
        const found = raw!.flatMap(({ values, steps }) => [
          ...finiteEnergies(values, steps, { readout, pool }),
        ]);
        const difference = largestDifference(found, expected);
        const polarity = variant === setting.card ? [] : [`--mask-polarity ${variant.mask_polarity}`];
        const all = [...setting.flags, ...polarity, ...flags];
        if (all.length === 0) {
          if (difference <= tolerance) return { energies: expected.length, largestDifference: difference };
          declared = difference;
        }
        if (difference < nearest.difference) nearest = { difference, flags: all };
      }
      if (nearest.difference <= tolerance) break;
    }
    if (nearest.difference <= tolerance) break;
  }
  const { difference, flags } = nearest;
  throw invalid('--verify', 'the model does not reproduce these energies as it is declared', {
    found:
      declared === undefined
        ? 'no energies: the data do not fit'
        : `differences up to ${declared.toPrecision(3)}`,
    wanted: `at most ${tolerance.toPrecision(2)}`,
    mend:
      difference <= tolerance
        ? `This reproduces them (differences up to ${difference.toPrecision(2)}): ${flags.join(' ')}`
        : `No setting does; the nearest${flags.length > 0 ? ` (${flags.join(' ')})` : ''} differs by ${difference.toPrecision(3)}. Were they computed in float32, in evaluation mode, from this checkpoint?`,
  });
}

async function expectedOf(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  energies: Tensor,
  card: ModelCard,
): Promise<Float32Array> {
  const data = await openScoreData(inMemory(path, tensors), card);
  const perContext = data.candidates ?? 1;
  const values = toFloat32(`${path}: energies`, energies);
  if (values.length !== data.contexts * perContext) {
    throw invalid(`${path}: energies`, 'one energy a chunk', {
      found: formatShape(energies.shape),
      wanted: data.candidates === undefined ? `[${data.contexts}]` : `[${data.contexts}, ${perContext}]`,
    });
  }
  return values.subarray(0, Math.min(data.contexts, MOST_CONTEXTS) * perContext);
}

async function rawSteps(
  engine: Parameters<typeof scoreContexts>[0],
  data: ScoreData,
): Promise<{ values: Float32Array; steps: number }[]> {
  const end = Math.min(data.contexts, MOST_CONTEXTS);
  const contexts = (await data.readContexts(0, end)).map(({ dtype, bytes, visible }, i) => ({
    name: `context ${i}`,
    item: { dtype, bytes, visible, move: false },
  }));
  const chunks = await candidatesOf(data, 0, end);
  const items = chunks.map(({ values, candidates, steps }, i) => ({
    slots: [i],
    actions: values,
    candidates,
    steps,
  }));
  const raw = await scoreContexts(engine, contexts, items);
  return raw.map((values, i) => ({ values, steps: chunks[i]!.steps }));
}

/** Energies of chunks; NaN where this readout has none. */
function finiteEnergies(
  raw: Float32Array,
  steps: number,
  options: Omit<Parameters<typeof energiesFromRaw>[2], 'score'>,
): Float64Array {
  try {
    return energiesFromRaw(raw, steps, { ...options, score: 'readout' }).energies;
  } catch {
    return new Float64Array(raw.length / steps).fill(NaN);
  }
}

function largestDifference(found: readonly number[], expected: Float32Array): number {
  const largest = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
  return Number.isNaN(largest) ? Infinity : largest;
}

function toleranceFor(expected: Float32Array): number {
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  const variance = expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / expected.length;
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return SIZE_SHARE * size + SPREAD_SHARE * Math.sqrt(variance);
}
