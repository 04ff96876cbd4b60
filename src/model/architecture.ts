/**
 * What the names and shapes of a state dict tell: architecture, block counts and dims. What they cannot tell (heads,
 * activation, readout, action units) is the card's.
 */
import { invalid } from '../errors.js';
import { isFloatDType, formatShape, type Tensor } from '../tensor/tensor.js';
import { nearest, type Problem } from './problems.js';
import {
  axisSize,
  STEP_WEIGHTS,
  symbolicParameters,
  type Axis,
  type Dim,
  type Dims,
  type Structure,
  type SymbolicParameters,
} from './parameters.js';

export type Architecture = Structure['architecture'];

/** First part of every key of an architecture. */
const ROOTS: Readonly<Record<Architecture, readonly string[]>> = {
  cross_attention: ['cross', 'state_linear', 'action_linear', 'prediction_head'],
  global_context: ['proj_hidden', 'action_proj', 'pos_emb', 'model'],
};

/** A block index beyond this is not a block of any known model; the key is then named as unexpected. */
const MAX_BLOCKS = 256;

/** With more unexpected keys than this the file is another model; comparing each with each would take minutes. */
const MAX_SUGGESTED = 500;

export interface WeightsDescription {
  readonly structure: Structure;
  /** Derived by majority over all axes that carry the dim, so that one wrong tensor is blamed, not the others. */
  readonly dims: Dims;
  /** Missing, unexpected, wrong-shaped and non-float tensors, all of them. */
  readonly problems: readonly Problem[];
}

/**
 * The architecture whose names occur. Errors: none or both do (names the keys found, and the prefix to strip when one
 * would help).
 */
export function sniffArchitecture(field: string, names: Iterable<string>): Architecture {
  const keys = [...names];
  const roots = new Set(keys.map((key) => key.split('.', 1)[0]!));
  const hits = (architecture: Architecture): number =>
    ROOTS[architecture].filter((root) => roots.has(root)).length;
  const cross = hits('cross_attention');
  const global = hits('global_context');
  if (cross !== global) return cross > global ? 'cross_attention' : 'global_context';
  const prefix = prefixBefore(keys, ['cross.in_proj_weight', 'proj_hidden.weight']);
  throw invalid(field, 'neither a cross_attention nor a global_context energy model', {
    found: keys.length === 0 ? 'no tensors' : `${keys.length} tensors: ${listSome(keys)}`,
    wanted: `keys below ${ROOTS.cross_attention.join(', ')}, or below ${ROOTS.global_context.join(', ')}`,
    ...(prefix === undefined
      ? {}
      : { mend: `The keys of one stand below "${prefix}": import with --prefix ${prefix}` }),
  });
}

/** Everything that names and shapes tell, and everything wrong with them. Errors: unknown architecture. */
export function describeWeights(field: string, tensors: ReadonlyMap<string, Tensor>): WeightsDescription {
  const architecture = sniffArchitecture(field, tensors.keys());
  const learnedPool = tensors.has(STEP_WEIGHTS);
  const structure: Structure =
    architecture === 'cross_attention'
      ? {
          architecture,
          learnedPool,
          action_norm: hasActionNorm(tensors) ? 'layer_norm' : 'none',
          blocks: {
            state: blockCount(tensors, 'state_linear'),
            action: blockCount(tensors, 'action_linear'),
            head: blockCount(tensors, 'prediction_head'),
          },
        }
      : { architecture, learnedPool, layers: blockCount(tensors, 'model') };
  const table = symbolicParameters(structure);
  const dims = deriveDims(table, tensors);
  return { structure, dims, problems: compareTensors(table, dims, tensors) };
}

/** One key of it is enough: the other is then missing. */
function hasActionNorm(tensors: ReadonlyMap<string, Tensor>): boolean {
  return ['weight', 'bias'].some((part) => tensors.has(`action_linear.layer_norm1.${part}`));
}

/** One more than the highest block index, so that a gap shows as missing keys. */
function blockCount(tensors: ReadonlyMap<string, Tensor>, root: string): number {
  const pattern = new RegExp(`^${root}\\.mlp_resnet_blocks\\.(\\d{1,4})\\.`);
  let count = 0;
  for (const name of tensors.keys()) {
    const index = pattern.exec(name)?.[1];
    if (index !== undefined && Number(index) < MAX_BLOCKS) count = Math.max(count, Number(index) + 1);
  }
  return count;
}

function deriveDims(table: SymbolicParameters, tensors: ReadonlyMap<string, Tensor>): Dims {
  const votes = new Map<Dim, Map<number, number>>();
  for (const [name, axes] of table) {
    const shape = tensors.get(name)?.shape;
    if (shape?.length !== axes.length) continue;
    for (const [i, { dim, times }] of axes.entries()) {
      const size = shape[i]! / times;
      if (dim === undefined || !Number.isInteger(size) || size < 1) continue;
      const counts = votes.get(dim) ?? new Map<number, number>();
      counts.set(size, (counts.get(size) ?? 0) + 1);
      votes.set(dim, counts);
    }
  }
  const dims: Partial<Record<Dim, number>> = {};
  for (const [dim, counts] of votes) {
    // sort is stable: a tie goes to the size seen first
    dims[dim] = [...counts].sort((a, b) => b[1] - a[1])[0]![0];
  }
  return dims;
}

function compareTensors(
  table: SymbolicParameters,
  dims: Dims,
  tensors: ReadonlyMap<string, Tensor>,
): Problem[] {
  const problems: Problem[] = [];
  const missing = [...table.keys()].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter((name) => !table.has(name));
  const suggest = unexpected.length <= MAX_SUGGESTED;
  for (const name of missing) {
    const near = suggest ? nearest(name, unexpected) : undefined;
    problems.push({
      field: name,
      summary: 'missing tensor',
      wanted: formatAxes(table.get(name)!, dims),
      ...(near === undefined ? {} : { found: `"${near}", which is not expected` }),
    });
  }
  for (const name of unexpected) {
    const near = suggest ? (nearest(name, missing) ?? nearest(name, table.keys())) : undefined;
    problems.push({
      field: name,
      summary: 'unexpected tensor',
      ...(near === undefined ? {} : { mend: `Did you mean "${near}"?` }),
    });
  }
  for (const [name, axes] of table) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    const matches =
      tensor.shape.length === axes.length &&
      axes.every((axis, i) => (axisSize(axis, dims) ?? tensor.shape[i]) === tensor.shape[i]);
    if (!matches) {
      problems.push({
        field: name,
        summary: 'wrong shape',
        found: formatShape(tensor.shape),
        wanted: formatAxes(axes, dims),
      });
    }
    if (!isFloatDType(tensor.dtype)) {
      problems.push({
        field: name,
        summary: 'not a floating-point tensor',
        found: tensor.dtype,
        wanted: 'float32, float16, bfloat16 or float64',
      });
    }
  }
  return problems;
}

function formatAxes(axes: readonly Axis[], dims: Dims): string {
  const parts = axes.map((axis) => {
    const size = axisSize(axis, dims);
    if (size !== undefined) return String(size);
    return axis.times === 1 ? axis.dim! : `${axis.times}*${axis.dim!}`;
  });
  return `[${parts.join(', ')}]`;
}

/** What stands before one of the well-known endings in some key, e.g. `energy_model.`. */
function prefixBefore(keys: readonly string[], endings: readonly string[]): string | undefined {
  for (const key of keys) {
    for (const ending of endings) {
      if (key.endsWith(`.${ending}`)) return key.slice(0, -ending.length);
    }
  }
  return undefined;
}

function listSome(keys: readonly string[]): string {
  const shown = keys.slice(0, 8).join(', ');
  return keys.length > 8 ? `${shown}, ...` : shown;
}
