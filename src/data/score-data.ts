/**
 * Contexts and action chunks in a file, as `action-energy score` reads them:
 *
 * | key | shape | |
 * | --- | --- | --- |
 * | `hidden` | [B, S, D]; [S, D] for one context; [T, D] with `offsets`; [B, D] for global_context | float32, float16, bfloat16 |
 * | `offsets` | [B + 1] int64 or int32, from 0 to T, ascending | context i is rows offsets[i] to offsets[i + 1] |
 * | `pad_mask` | as `hidden` without D | bool or uint8, True (1) = ignore |
 * | `candidates` | [B, N, H, A]; [N, H, A] for one context | any float |
 * | `actions` | [B, H, A] ([H, A] for one context): the chunk that belongs to each context | any float |
 *
 * The header is checked as a whole on opening; values are checked as they are read, by context.
 */
import { invalid } from '../errors.js';
import { checkActions, type ActionBatch } from '../model/actions.js';
import type { ModelCard } from '../model/card.js';
import { checkContext, type CheckedContext } from '../model/context.js';
import { BYTES_PER_ELEMENT, formatShape, type Tensor } from '../tensor/tensor.js';
import { DATA_KEYS, readOffsets, type TensorFile } from './tensor-file.js';

/** Those of the layout that scoring uses. */
const KNOWN = ['hidden', 'offsets', 'pad_mask', 'candidates', 'actions'];

export interface DataContext extends CheckedContext {
  /** Row-major [S, D]. */
  readonly bytes: Uint8Array;
}

export interface ScoreData {
  /** B. */
  readonly contexts: number;
  /** N of `candidates`; undefined when the file has none. */
  readonly candidates: number | undefined;
  readonly hasActions: boolean;
  /** Ends (excluded) of the batches of contexts that hold at most `budgetBytes` of tokens each, one context at least. */
  batches(budgetBytes: number): number[];
  readContexts(start: number, end: number): Promise<DataContext[]>;
  /** The N candidates of one context. */
  readCandidates(context: number): Promise<ActionBatch>;
  /** `actions` of the contexts `start` to `end` (excluded), [end - start, H, A]. */
  readActions(start: number, end: number): Promise<ActionBatch>;
}

/**
 * Checks the layout of `file` against the card; keys of `others` belong to the caller. Errors name the key, what was found and
 * what was wanted.
 */
export async function openScoreData(
  file: TensorFile,
  card: ModelCard,
  others: readonly string[] = [],
): Promise<ScoreData> {
  checkKeys(file, others);
  const at = (key: string): string => `${file.path}: ${key}`;
  const hidden = file.header.get('hidden')!;
  const offsets = file.header.has('offsets')
    ? await readOffsets(file, 'offsets', hidden.shape[0] ?? 0)
    : undefined;
  const layout = contextLayout(at('hidden'), hidden.shape, card, offsets);
  const { contexts } = layout;

  const mask = file.header.get('pad_mask');
  const maskShape = hidden.shape.slice(0, layout.perVector ? 1 : -1);
  if (mask && layout.perVector) {
    throw invalid(at('pad_mask'), 'a global_context model has no mask', { mend: 'Leave the key out.' });
  }
  if (mask && formatShape(mask.shape) !== formatShape(maskShape)) {
    throw invalid(at('pad_mask.shape'), 'does not fit hidden', {
      found: formatShape(mask.shape),
      wanted: formatShape(maskShape),
    });
  }
  const chunks = actionLayout(file, card, contexts);
  const rowBytes = card.state_dim * BYTES_PER_ELEMENT[hidden.dtype];

  return {
    contexts,
    ...chunks,
    batches: (budgetBytes) => batchEnds(contexts, (i) => layout.rowsBefore(i) * rowBytes, budgetBytes),
    async readContexts(start, end) {
      const first = layout.rowsBefore(start);
      const tokens = await readTokens(
        file,
        'hidden',
        layout.stacked,
        start,
        end,
        first,
        layout.rowsBefore(end),
      );
      const bits =
        mask &&
        (await readTokens(file, 'pad_mask', layout.stacked, start, end, first, layout.rowsBefore(end)));
      return Array.from({ length: end - start }, (_, i) => {
        const begin = layout.rowsBefore(start + i) - first;
        const rows = layout.rowsBefore(start + i + 1) - first - begin;
        const bytes = tokens.bytes.subarray(begin * rowBytes, (begin + rows) * rowBytes);
        const one: Tensor = { dtype: tokens.dtype, shape: [rows, card.state_dim], bytes };
        const hides = bits && { ...bits, shape: [rows], bytes: bits.bytes.subarray(begin, begin + rows) };
        return { ...checkContext(one, hides, card, `${file.path}: context ${start + i}`), bytes };
      });
    },
    async readCandidates(context) {
      const { shape } = file.header.get('candidates')!;
      const tensor =
        shape.length === 3
          ? await file.read('candidates')
          : dropFirstAxis(await file.readRows('candidates', context, context + 1));
      return checkActions(tensor, card, at(`candidates of context ${context}`));
    },
    async readActions(start, end) {
      const { shape } = file.header.get('actions')!;
      const tensor =
        shape.length === 2 ? await file.read('actions') : await file.readRows('actions', start, end);
      const stacked = shape.length === 2 ? { ...tensor, shape: [1, ...shape] } : tensor;
      return checkActions(stacked, card, at(start === 0 ? 'actions' : `actions from ${start} on`));
    },
  };
}

function checkKeys(file: TensorFile, others: readonly string[]): void {
  const keys = [...file.header.keys()];
  const understood: readonly string[] = [...DATA_KEYS, ...others];
  const unknown = keys.find((key) => !understood.includes(key));
  if (unknown !== undefined) {
    throw invalid(`${file.path}: ${unknown}`, 'unknown key', {
      found: keys.slice(0, 20).join(', '),
      wanted: KNOWN.join(', '),
      mend: 'A key that is not understood might have mattered: rename it or leave it out.',
    });
  }
  const missing = !file.header.has('hidden')
    ? 'hidden'
    : file.header.has('candidates') || file.header.has('actions')
      ? undefined
      : 'candidates';
  if (missing !== undefined) {
    throw invalid(`${file.path}: ${missing}`, 'missing key', {
      found: keys.slice(0, 20).join(', ') || 'no tensors',
      wanted: missing === 'hidden' ? 'hidden' : 'candidates, actions or both',
    });
  }
}

interface ContextLayout {
  readonly contexts: number;
  /** [B, S, D]: the first axis counts contexts, not tokens. */
  readonly stacked: boolean;
  /** One vector a context (global_context). */
  readonly perVector: boolean;
  /** Tokens in front of context i; `rowsBefore(B)` is their number. */
  rowsBefore(context: number): number;
}

function contextLayout(
  field: string,
  shape: readonly number[],
  card: ModelCard,
  offsets: readonly number[] | undefined,
): ContextLayout {
  const perVector = card.architecture === 'global_context';
  const [first = 0, second = 0] = shape;
  const wanted = perVector ? `[B, ${card.state_dim}]` : `[B, S, ${card.state_dim}] or [S, ${card.state_dim}]`;
  const refuse = (): never => {
    throw invalid(`${field}.shape`, 'does not fit the model', {
      found: formatShape(shape),
      wanted: offsets ? `[T, ${card.state_dim}] beside offsets` : wanted,
    });
  };
  if (shape.at(-1) !== card.state_dim || first < 1 || shape.includes(0)) return refuse();
  if (offsets) {
    if (shape.length !== 2 || perVector) return refuse();
    return { contexts: offsets.length - 1, stacked: false, perVector, rowsBefore: (i) => offsets[i]! };
  }
  if (shape.length === 2) {
    return perVector
      ? { contexts: first, stacked: false, perVector, rowsBefore: (i) => i }
      : { contexts: 1, stacked: false, perVector, rowsBefore: (i) => i * first };
  }
  if (shape.length !== 3 || (perVector && second !== 1)) return refuse();
  return { contexts: first, stacked: true, perVector, rowsBefore: (i) => i * second };
}

function actionLayout(
  file: TensorFile,
  card: ModelCard,
  contexts: number,
): Pick<ScoreData, 'candidates' | 'hasActions'> {
  const candidates = file.header.get('candidates')?.shape;
  const actions = file.header.get('actions')?.shape;
  const chunk = `${card.chunk ?? 'H'}, ${card.action_dim}]`;
  const check = (key: string, shape: readonly number[], rank: number, form: string): void => {
    const [steps = 0, dims] = shape.slice(-2);
    const stacked = shape.length === rank && shape[0] === contexts;
    const single = shape.length === rank - 1 && contexts === 1;
    const fits = dims === card.action_dim && steps === (card.chunk ?? steps) && !shape.includes(0);
    if ((stacked || single) && fits) return;
    throw invalid(`${file.path}: ${key}.shape`, 'does not fit the model or the contexts', {
      found: formatShape(shape),
      wanted: `${form}${contexts === 1 ? ' (the first axis may be left out)' : ''}`,
    });
  };
  if (candidates) check('candidates', candidates, 4, `[${contexts}, N, ${chunk}`);
  if (actions) check('actions', actions, 3, `[${contexts}, ${chunk}`);
  return { candidates: candidates?.at(-3), hasActions: actions !== undefined };
}

function batchEnds(
  contexts: number,
  bytesBefore: (context: number) => number,
  budgetBytes: number,
): number[] {
  const ends: number[] = [];
  let start = 0;
  for (let i = 1; i <= contexts; i++) {
    if (i === contexts || bytesBefore(i + 1) - bytesBefore(start) > budgetBytes) {
      ends.push(i);
      start = i;
    }
  }
  return ends;
}

/** The rows of contexts `start` to `end`, whether the first axis counts contexts or tokens. */
async function readTokens(
  file: TensorFile,
  key: string,
  stacked: boolean,
  start: number,
  end: number,
  firstRow: number,
  lastRow: number,
): Promise<Tensor> {
  return stacked ? file.readRows(key, start, end) : file.readRows(key, firstRow, lastRow);
}

function dropFirstAxis(tensor: Tensor): Tensor {
  return { ...tensor, shape: tensor.shape.slice(1) };
}
