/**
 * The layout of calibration data, checked from the headers alone before any row is read. M rows, S context tokens,
 * D state width, H chunk steps, A action dims:
 *
 *   hidden          [M, S, D], or [T, D] with offsets [M+1] (row m is tokens offsets[m] to offsets[m+1]);
 *                   [M, D] for a global_context model                   float32, float16 or bfloat16
 *   actions         [M, H, A]  the expert's chunks                      any float
 *   pad_mask        [M, S] or [T], 1 = ignore                           bool or uint8     optional
 *   task_id, episode_id, step   [M]                                     any number        optional
 *   negatives       [M, K, H, A]  given wrong chunks                    any float         optional
 *   layer_actions   [L, M, H, A]  decoded from early layers             any float         optional
 *   policy_actions  [M, H, A]     the policy's own chunks               any float         optional
 *   candidates      [M, N, H, A]  the policy's own samples, its choice first   any float  optional
 *   candidate_cost  [M, N]        what each cost when executed, lower is better   float   with candidates, optional
 *   outcome         [M]           what the executed chunk came to: for training   any number   optional
 *   token_group     [S], [M, S] or [T]  which group a token is of (image, prompt...)   integer   optional
 *
 * Shards have the same columns; ids are global: the same episode_id in two shards is one episode.
 */
import { DATA_KEYS } from '../../data/tensor-file.js';
import type { ModelCard } from '../../model/card.js';
import { nearest, type Problem } from '../../model/problems.js';
import { isFloatDType, formatShape, type DType } from '../../tensor/tensor.js';
import type { Columns } from './columns.js';

/** A file is kept for each of a stream's, and no policy has so many. */
const MOST_LAYERS = 256;

export interface ShardLayout {
  readonly rows: number; // M of this shard
  readonly steps: number; // H
  /** Whether `hidden` is [T, D] with offsets. */
  readonly ragged: boolean;
  readonly explicit: number; // K, 0 without negatives
  readonly layers: number; // L, 0 without layer_actions
  readonly candidates: number; // N, 0 without candidates
  readonly columns: ReadonlySet<string>;
}

type Header = Columns['header'];

/** What the headers say, and everything wrong with them. Without `problems` the layout holds. */
export function shardLayout(
  { name, header }: Pick<Columns, 'name' | 'header'>,
  card: ModelCard,
): { layout: ShardLayout; problems: Problem[] } {
  const problems: Problem[] = [];
  const problem = (column: string, summary: string, found: string, wanted: string, mend?: string): void => {
    problems.push({ field: `${name}: ${column}`, summary, found, wanted, ...(mend ? { mend } : {}) });
  };
  for (const column of header.keys()) {
    if ((DATA_KEYS as readonly string[]).includes(column)) continue;
    const near = nearest(column, DATA_KEYS);
    problem(column, 'unknown key', column, DATA_KEYS.join(', '), near && `Did you mean ${near}?`);
  }
  for (const column of ['hidden', 'actions']) {
    if (!header.has(column)) problem(column, 'missing', [...header.keys()].join(', ') || 'no keys', column);
  }
  const { state_dim: D, action_dim: A, chunk } = card;
  const actions = header.get('actions');
  const [rows = 0, steps = 0] = actions?.shape ?? [];
  const global = card.architecture === 'global_context';
  const ragged = header.has('offsets');
  const shapes: Record<string, readonly (number | 'any')[]> = {
    hidden: ragged ? ['any', D] : global ? [rows, D] : [rows, 'any', D],
    offsets: [rows + 1],
    actions: ['any', chunk ?? 'any', A],
    pad_mask: ragged ? ['any'] : [rows, 'any'],
    task_id: [rows],
    episode_id: [rows],
    step: [rows],
    negatives: [rows, 'any', steps, A],
    layer_actions: ['any', rows, steps, A],
    policy_actions: [rows, steps, A],
    candidates: [rows, 'any', steps, A],
    candidate_cost: [rows, header.get('candidates')?.shape[1] ?? 'any'],
    outcome: [rows],
    token_group: ragged || header.get('token_group')?.shape.length !== 2 ? ['any'] : [rows, 'any'],
  };
  for (const column of DATA_KEYS) {
    const entry = header.get(column);
    if (entry === undefined) continue;
    if (
      !shapeFits(entry.shape, shapes[column]!) &&
      !(global && isSingleToken(entry.shape, column, rows, D))
    ) {
      problem(column, 'shape does not fit', formatShape(entry.shape), formatWanted(shapes[column]!, column));
    }
    const dtypes = wantedDTypes(column);
    if (!dtypes.accepts(entry.dtype)) problem(column, 'dtype does not fit', entry.dtype, dtypes.named);
  }
  checkTokenLength('pad_mask', header, ragged, problem);
  checkTokenLength('token_group', header, ragged, problem);
  if (header.has('candidate_cost') && !header.has('candidates')) {
    problem('candidate_cost', 'costs of nothing', 'no candidates', 'candidates [M, N, H, A] beside it');
  }
  if (header.get('candidates')?.shape[1] === 0) problem('candidates', 'none', '0', 'at least 1 a row');
  const layers = header.get('layer_actions')?.shape[0] ?? 0;
  if (layers > MOST_LAYERS) {
    problem('layer_actions', 'too many layers', String(layers), `at most ${MOST_LAYERS}`);
  }
  if (actions !== undefined && rows < 1) problem('actions', 'no rows', '0', 'at least 1');
  const layout = {
    rows,
    steps,
    ragged,
    explicit: header.get('negatives')?.shape[1] ?? 0,
    layers,
    candidates: header.get('candidates')?.shape[1] ?? 0,
    columns: new Set(header.keys()),
  };
  return { layout, problems };
}

/** What differs between shards that must agree. */
export function shardContradictions(shards: readonly { name: string; layout: ShardLayout }[]): Problem[] {
  const [first, ...rest] = shards;
  if (first === undefined) return [];
  const problems: Problem[] = [];
  const describe = (layout: ShardLayout): Record<string, string> => ({
    columns: [...layout.columns].sort().join(', '),
    'chunk steps (H)': String(layout.steps),
    'negatives (K)': String(layout.explicit),
    'layer_actions (L)': String(layout.layers),
    'candidates (N)': String(layout.candidates),
  });
  const wanted = describe(first.layout);
  for (const { name, layout } of rest) {
    for (const [what, found] of Object.entries(describe(layout))) {
      if (found === wanted[what]) continue;
      const summary = `${what} differ from those of ${first.name}`;
      problems.push({ field: name, summary, found, wanted: wanted[what]! });
    }
  }
  return problems;
}

function shapeFits(shape: readonly number[], wanted: readonly (number | 'any')[]): boolean {
  return (
    shape.length === wanted.length &&
    shape.every((size, axis) => wanted[axis] === 'any' || size === wanted[axis])
  );
}

/** A global_context model also takes [M, 1, D] and a mask [M, 1]. */
function isSingleToken(shape: readonly number[], column: string, rows: number, D: number): boolean {
  return column === 'hidden' && shapeFits(shape, [rows, 1, D]);
}

function formatWanted(wanted: readonly (number | 'any')[], column: string): string {
  const symbols: Record<string, string[]> = {
    hidden: wanted.length === 2 ? ['T', 'D'] : ['M', 'S', 'D'],
    actions: ['M', 'H', 'A'],
    pad_mask: wanted.length === 1 ? ['T'] : ['M', 'S'],
    negatives: ['M', 'K', 'H', 'A'],
    layer_actions: ['L', 'M', 'H', 'A'],
    candidates: ['M', 'N', 'H', 'A'],
    candidate_cost: ['M', 'N'],
    token_group: wanted.length === 1 ? ['S'] : ['M', 'S'],
  };
  const sizes = wanted.map((size, axis) => (size === 'any' ? (symbols[column]?.[axis] ?? 'any') : size));
  return `[${sizes.join(', ')}]`;
}

function wantedDTypes(column: string): { accepts: (dtype: DType) => boolean; named: string } {
  switch (column) {
    case 'hidden':
      return {
        accepts: (dtype) => isFloatDType(dtype) && dtype !== 'float64',
        named: 'float32, float16 or bfloat16',
      };
    case 'pad_mask':
      return { accepts: (dtype) => dtype === 'bool' || dtype === 'uint8', named: 'bool or uint8' };
    case 'offsets':
      return { accepts: (dtype) => dtype === 'int64' || dtype === 'int32', named: 'int64 or int32' };
    case 'token_group':
      return { accepts: (dtype) => dtype.startsWith('int') || dtype === 'uint8', named: 'an integer dtype' };
    case 'outcome':
    case 'task_id':
    case 'episode_id':
    case 'step':
      return { accepts: (dtype) => dtype !== 'bool', named: 'a number' };
    default:
      return { accepts: isFloatDType, named: 'a floating-point dtype' };
  }
}

/** A mask or the groups of tokens against `hidden`. Groups of one length for all rows may be given once. */
function checkTokenLength(
  column: 'pad_mask' | 'token_group',
  header: Header,
  ragged: boolean,
  problem: (column: string, summary: string, found: string, wanted: string) => void,
): void {
  const axis = ragged ? 0 : 1;
  const tokens = header.get('hidden')?.shape[axis];
  const entries = header.get(column)?.shape.at(column === 'token_group' ? -1 : axis);
  if (tokens === undefined || entries === undefined || tokens === entries) return;
  problem(column, 'one entry a context token', `${entries} entries`, `${tokens}, as hidden has tokens`);
}
