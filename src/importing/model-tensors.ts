/**
 * From the tensors of a checkpoint to those of the model: wrappers' prefixes go, so do the keys of a larger model around
 * it, counters and a stored position table. Whatever is left out is told; nothing that could change an energy is.
 */
import { invalid } from '../errors.js';
import { positionalEncoding } from '../energy/layers.js';
import { sniffArchitecture } from '../model/architecture.js';
import { toFloat32, isFloatDType, formatShape, type Tensor } from '../tensor/tensor.js';
import { stripWrapperPrefix } from '../weights/checkpoint.js';

export interface ModelTensorOptions {
  /** Take only the keys below it, before or after wrappers' prefixes are stripped. */
  readonly prefix?: string;
  /** Told, in words, what is left out. */
  readonly onLeftOut?: (what: string) => void;
}

type Tensors = Map<string, Tensor>;

/** A key that each architecture has, by which it is found inside a larger model. */
const SIGNATURES = ['cross.in_proj_weight', 'proj_hidden.weight'];
/** Float32 sines differ by this much between libraries. */
const POSITION_TOLERANCE = 1e-4;

/**
 * Errors name `field`, the keys found, or the flag: no key below the prefix; several models in one file; two copies of a
 * key; positions that are not those of the model.
 */
export function modelTensors(
  field: string,
  checkpoint: ReadonlyMap<string, Tensor>,
  { prefix, onLeftOut = () => undefined }: ModelTensorOptions = {},
): Tensors {
  const tensors =
    prefix === undefined ? recognised(field, checkpoint, onLeftOut) : below(field, checkpoint, prefix);
  for (const [name, { shape, dtype }] of tensors) {
    if (shape.length > 0) continue;
    tensors.delete(name);
    onLeftOut(`${name}: a single ${dtype} value, no weight of the model`);
  }
  if (sniffArchitecture(field, tensors.keys()) === 'cross_attention')
    dropPositions(field, tensors, onLeftOut);
  return tensors;
}

/** The keys below `prefix`, as they stand in the file or without wrappers' prefixes. */
function below(field: string, checkpoint: ReadonlyMap<string, Tensor>, prefix: string): Tensors {
  const take = (tensors: ReadonlyMap<string, Tensor>): Tensors =>
    new Map(
      [...tensors]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  const raw = take(checkpoint);
  if (raw.size > 0) return stripWrapperPrefix(field, raw);
  const stripped = take(stripWrapperPrefix(field, new Map(checkpoint)));
  if (stripped.size > 0) return stripWrapperPrefix(field, stripped);
  throw invalid('--prefix', 'no key starts with it', {
    found: `${checkpoint.size} keys in ${field}, the first "${[...checkpoint.keys()][0] ?? ''}"`,
    wanted: `keys that start with "${prefix}"`,
  });
}

/** The model where its names are found: at the top, or below the one prefix that has them (Lightning's `model.`). */
function recognised(
  field: string,
  checkpoint: ReadonlyMap<string, Tensor>,
  onLeftOut: (what: string) => void,
): Tensors {
  const tensors = stripWrapperPrefix(field, new Map(checkpoint));
  if (SIGNATURES.some((name) => tensors.has(name))) return tensors;
  const prefixes = new Set<string>();
  for (const name of tensors.keys()) {
    for (const ending of SIGNATURES)
      if (name.endsWith(`.${ending}`)) prefixes.add(name.slice(0, -ending.length));
  }
  const [prefix] = prefixes;
  if (prefix === undefined) return tensors; // whoever describes the weights says what is wrong
  if (prefixes.size > 1) {
    throw invalid(field, 'several energy models', {
      found: [...prefixes].map((each) => `one below "${each}"`).join(', '),
      wanted: 'one',
      mend: `Name it: --prefix ${prefix}`,
    });
  }
  const inside = [...tensors].filter(([name]) => name.startsWith(prefix));
  if (inside.length < tensors.size) {
    onLeftOut(
      `${tensors.size - inside.length} tensors that are not below "${prefix}", where the energy model is`,
    );
  }
  return stripWrapperPrefix(
    field,
    new Map(inside.map(([name, tensor]) => [name.slice(prefix.length), tensor])),
  );
}

/**
 * A registered buffer of step positions, [n, h], [1, n, h] or [n, 1, h]: left out when it is the formula's, since the
 * graphs compute that; refused when it is not, since the energies would be others.
 */
function dropPositions(field: string, tensors: Tensors, onLeftOut: (what: string) => void): void {
  const hidden = tensors.get('cross.out_proj.bias')?.shape[0];
  for (const [name, tensor] of tensors) {
    const last = name.split('.').at(-1)!;
    if (!['pe', 'pos_enc', 'pos_encoding', 'positional_encoding'].includes(last)) continue;
    const sizes = tensor.shape.filter((size) => size !== 1);
    if (!isFloatDType(tensor.dtype) || sizes.length > 2 || tensor.shape.at(-1) !== hidden) continue;
    const values = toFloat32(name, tensor);
    const steps = values.length / hidden!;
    const formula = positionalEncoding(steps, hidden!);
    const tolerance = tensor.dtype === 'float32' || tensor.dtype === 'float64' ? POSITION_TOLERANCE : 1e-2;
    const at = values.findIndex((value, i) => !(Math.abs(value - formula[i]!) <= tolerance));
    if (at >= 0) {
      throw invalid(`${field}: ${name}`, 'positions other than those of this model family', {
        found: `${values[at]} at step ${Math.floor(at / hidden!)}, column ${at % hidden!}`,
        wanted: `${formula[at]} (interleaved sine and cosine, base 10000)`,
        mend: 'This model cannot be served exactly: it adds other positions to its queries.',
      });
    }
    tensors.delete(name);
    onLeftOut(`${name} ${formatShape(tensor.shape)}: the positions that the model computes itself`);
  }
}
