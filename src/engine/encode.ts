/** Encoding: visible tokens of several contexts packed into one matrix, run, and split again. No padding is encoded. */
import { Tensor as OrtTensor } from './onnx-runtime.js';
import { invalid, toFault, type Fault } from '../errors.js';
import { float16ToNumber, floats32, words16, BYTES_PER_ELEMENT } from '../tensor/tensor.js';
import type { EnergyGraphs } from '../energy/graphs.js';
import { TOKEN_ELEMENT } from '../energy/tokens.js';
import { done, failed, type EncodeItem, type Precision, type TokenDType, type Outcome } from './engine.js';
import type { Scratch } from './memory.js';
import { float32 } from './runtime.js';
import type { Sessions } from './sessions.js';
import { firstNonFinite, notFinite, type EncodedContext, type LoadedModel } from './stages.js';

/** Tokens in one run: past a thousand a token gets no cheaper, and the widened input stays at 16 MiB for D 4096. */
export const MAX_TOKENS_PER_RUN = 1024;

export type EncodeInput = Omit<EncodeItem, 'slot' | 'move'>;

/** Number of visible tokens, T. */
export function visibleTokens({ visible }: Pick<EncodeItem, 'visible'>): number {
  return visible.reduce((total, [start, end]) => total + end - start, 0);
}

/** One outcome an item, in order. A bad item fails alone. */
export async function encodeContexts(
  model: LoadedModel,
  items: readonly EncodeInput[],
): Promise<Outcome<EncodedContext>[]> {
  const outcomes = new Array<Outcome<EncodedContext>>(items.length);
  const good: number[] = [];
  for (const [index, item] of items.entries()) {
    const fault = checkItem(item, model.card.state_dim);
    if (fault) outcomes[index] = failed(fault);
    else good.push(index);
  }
  for (const run of packRuns(items, good, model.precision)) {
    try {
      const encoded = await encodeRun(
        model,
        run.map((index) => items[index]!),
      );
      for (const [position, index] of run.entries()) outcomes[index] = encoded[position]!;
    } catch (error) {
      for (const index of run) outcomes[index] = failed(toFault(error));
    }
  }
  return outcomes;
}

function checkItem({ dtype, bytes, visible }: EncodeInput, width: number): Fault | undefined {
  const rowBytes = width * BYTES_PER_ELEMENT[dtype];
  if (bytes.byteLength % rowBytes !== 0) {
    return invalid('hidden', 'bytes are not whole tokens', {
      found: `${bytes.byteLength} bytes`,
      wanted: `a multiple of ${rowBytes} (${width} x ${dtype})`,
    });
  }
  let last = 0;
  for (const [start, end] of visible) {
    if (start < last || end <= start || end * rowBytes > bytes.byteLength) {
      return invalid('hidden', 'visible ranges must ascend inside the tokens', {
        found: `[${start}, ${end})`,
      });
    }
    last = end;
  }
  return visible.length === 0 ? invalid('pad_mask', 'no token is visible') : undefined;
}

/**
 * Greedy packs of the same dtype, in order, none beyond the bound unless it holds one item only. In int8 the rows of a
 * run share their activations' scale, so each context runs alone: its energies must not depend on its company.
 */
function packRuns(
  items: readonly EncodeInput[],
  indices: readonly number[],
  precision: Precision,
): number[][] {
  if (precision === 'int8') return indices.map((index) => [index]);
  const runs: number[][] = [];
  let tokens = 0;
  for (const index of indices) {
    const count = visibleTokens(items[index]!);
    const current = runs.at(-1);
    if (
      current &&
      items[current[0]!]!.dtype === items[index]!.dtype &&
      tokens + count <= MAX_TOKENS_PER_RUN
    ) {
      current.push(index);
      tokens += count;
    } else {
      runs.push([index]);
      tokens = count;
    }
  }
  return runs;
}

async function encodeRun(
  { card, graphs, sessions, scratch }: LoadedModel,
  items: readonly EncodeInput[],
): Promise<Outcome<EncodedContext>[]> {
  const { dtype } = items[0]!;
  const { contextNames: names, contextWidth } = graphs;
  const tokens = packTokens(items, card.state_dim, scratch); // [T, D]
  const total = items.reduce((sum, item) => sum + visibleTokens(item), 0); // T
  const out = {
    context: names.map((name) => scratch.floats(name, total * contextWidth)),
    mean: scratch.watched('token_mean', total),
    inverseStd: scratch.watched('token_inverse_std', total),
    rowSum: scratch.watched('row_sum', total),
  };
  await sessions.encode[dtype].runInto(
    { tokens: tokenTensor(dtype, tokens, card.state_dim) },
    {
      ...named(names, (index) => float32(out.context[index]!, [total, contextWidth])),
      token_mean: float32(out.mean, [total]),
      token_inverse_std: float32(out.inverseStd, [total]),
      row_sum: float32(out.rowSum, [total]),
    },
  );
  const outcomes: Outcome<EncodedContext>[] = [];
  let row = 0;
  for (const item of items) {
    const end = row + visibleTokens(item);
    const rows = (values: Float32Array): Float32Array => values.subarray(row, end);
    const fault = checkRows(item, card.state_dim, rows(out.mean), rows(out.inverseStd), rows(out.rowSum));
    const matrices = out.context.map((values) => values.subarray(row * contextWidth, end * contextWidth));
    outcomes.push(fault ? failed(fault) : done(await layOut(graphs, sessions, matrices)));
    row = end;
  }
  return outcomes;
}

/** One context's matrices [T, contextWidth] into memory of its own, as `attend` reads it. */
async function layOut(
  graphs: EnergyGraphs,
  sessions: Sessions,
  matrices: readonly Float32Array[],
): Promise<EncodedContext> {
  const { contextNames: names, contextWidth } = graphs;
  const tokens = matrices[0]!.length / contextWidth; // T
  const shape = graphs.slotShape(tokens);
  const feeds = named(names, (index) => float32(matrices[index]!, [tokens, contextWidth]));
  const memory = matrices.map(({ length }) => new Float32Array(length));
  const heads = names.map((name) => `${name}_heads`);
  const tensors = named(heads, (index) => float32(memory[index]!, shape));
  await sessions.layOut.runInto(feeds, tensors);
  const bytes = memory.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return { tensors, memory: memory.map(({ buffer }) => buffer), bytes };
}

function named(names: readonly string[], tensor: (index: number) => OrtTensor): Record<string, OrtTensor> {
  return Object.fromEntries(names.map((name, index) => [name, tensor(index)]));
}

/** The visible rows of all items, one after another; a view when there is nothing to move together. */
function packTokens(items: readonly EncodeInput[], width: number, scratch: Scratch): Uint8Array {
  const rowBytes = width * BYTES_PER_ELEMENT[items[0]!.dtype];
  const pieces = items.flatMap(({ bytes, visible }) =>
    visible.map(([start, end]) => bytes.subarray(start * rowBytes, end * rowBytes)),
  );
  if (pieces.length === 1) return pieces[0]!;
  const packed = scratch.bytes(
    'tokens',
    pieces.reduce((total, piece) => total + piece.byteLength, 0),
  );
  let offset = 0;
  for (const piece of pieces) {
    packed.set(piece, offset);
    offset += piece.byteLength;
  }
  return packed;
}

function tokenTensor(dtype: TokenDType, bytes: Uint8Array, width: number): OrtTensor {
  const dims = [bytes.byteLength / (width * BYTES_PER_ELEMENT[dtype]), width];
  if (dtype === 'float32') return float32(floats32(bytes), dims);
  return new OrtTensor(TOKEN_ELEMENT[dtype], words16(bytes), dims);
}

/** The fault of one context, from one statistic a token. */
function checkRows(
  item: EncodeInput,
  width: number,
  mean: Float32Array,
  inverseStd: Float32Array,
  rowSum: Float32Array,
): Fault | undefined {
  const unusable = mean.findIndex((value, row) => !Number.isFinite(value) || !(inverseStd[row]! > 0));
  if (unusable >= 0) {
    const token = tokenOfRow(item, unusable);
    const found = nonFiniteDim(item, token, width);
    return found
      ? notFinite('hidden', `token ${token}, dim ${found.dim}`, found.value)
      : notFinite('context_mapped', `token ${token} (its values overflow float32 when squared)`);
  }
  const row = firstNonFinite(rowSum);
  return row < 0 ? undefined : notFinite('context_mapped', `token ${tokenOfRow(item, row)}`);
}

/** Index in 0..S-1 of the `row`-th visible token. */
function tokenOfRow({ visible }: EncodeInput, row: number): number {
  let rest = row;
  for (const [start, end] of visible) {
    if (rest < end - start) return start + rest;
    rest -= end - start;
  }
  return row;
}

function nonFiniteDim(
  { dtype, bytes }: EncodeInput,
  token: number,
  width: number,
): { dim: number; value: number } | undefined {
  const rowBytes = width * BYTES_PER_ELEMENT[dtype];
  const row = bytes.subarray(token * rowBytes, (token + 1) * rowBytes);
  const values =
    dtype === 'float32'
      ? floats32(row)
      : dtype === 'float16'
        ? Float32Array.from(words16(row), float16ToNumber)
        : new Float32Array(Uint32Array.from(words16(row), (word) => word << 16).buffer);
  const dim = firstNonFinite(values);
  return dim < 0 ? undefined : { dim, value: values[dim]! };
}
