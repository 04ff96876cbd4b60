/** Calibration data: rows of context and chunks, from one source or several shards, each row read when asked for. */
import { invalid } from '../../errors.js';
import type { ModelCard } from '../../model/card.js';
import { checkContext } from '../../model/context.js';
import { refuse } from '../../model/problems.js';
import { toFloat32, byteLength, type Tensor } from '../../tensor/tensor.js';
import type { OfflineContext } from '../../offline/score-contexts.js';
import { dataFiles, openColumns, toNumbers, type Columns } from './columns.js';
import { shardContradictions, shardLayout, type ShardLayout } from './layout.js';

export interface CalibrationData {
  readonly rows: number; // M
  readonly steps: number; // H
  readonly dims: number; // A
  readonly explicit: number; // K
  readonly layers: number; // L
  readonly hasPolicy: boolean;
  readonly hasMask: boolean;
  readonly candidates: number; // N, 0 without
  readonly hasCost: boolean;
  readonly hasTokenGroups: boolean;
  /** Ids and episode steps, [M]; undefined when the data have none. */
  readonly task: Float64Array | undefined;
  readonly episode: Float64Array | undefined;
  readonly step: Float64Array | undefined;
  /** What the executed chunk came to, [M]: for training. */
  readonly outcome: Float64Array | undefined;
  /** Where the rows come from. */
  readonly sources: readonly { readonly name: string; readonly bytes: number; readonly rows: number }[];
  /** Hex sha256 of each source's file; undefined for one that is no file. Reads the files whole; closing ends it. */
  digests(): Promise<(string | undefined)[]>;
  /** hidden [S, D] in memory of its own (it may be moved to an engine), mask [S]. */
  context(row: number): Promise<{ hidden: Tensor; mask: Tensor | undefined }>;
  /** Tokens (S) of a row's context and how many of them are masked, without reading the context. */
  tokens(row: number): Promise<{ tokens: number; masked: number }>;
  /** The expert's chunk, [H, A]. */
  actions(row: number): Promise<Float32Array>;
  /** The first `count` given negatives, [count, H, A]. */
  negatives(row: number, count: number): Promise<Float32Array>;
  /** The chunk decoded from a layer, [H, A]. */
  layerActions(layer: number, row: number): Promise<Float32Array>;
  /** The policy's own chunk, [H, A]. */
  policyActions(row: number): Promise<Float32Array>;
  /** The policy's samples, its choice first, [N, H, A]. */
  candidateChunks(row: number): Promise<Float32Array>;
  /** What each candidate cost, lower is better; finite. [N] */
  candidateCosts(row: number): Promise<Float64Array>;
  /** The group of each token, [S]. */
  tokenGroups(row: number): Promise<Float64Array>;
  close(): Promise<void>;
}

/** Opens files (.safetensors, .npz, .pt), and folders of .safetensors, as the shards of one data set. Errors: all wrong keys of all shards together. */
export async function openCalibrationData(
  files: readonly string[],
  card: ModelCard,
): Promise<CalibrationData> {
  const sources: Columns[] = [];
  try {
    for (const file of await dataFiles(files)) sources.push(await openColumns(file));
    return await calibrationData(sources, card);
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
}

/** The context of a row, read and checked. Errors name the row. */
export async function engineContext(
  data: CalibrationData,
  row: number,
  card: ModelCard,
): Promise<OfflineContext> {
  const { hidden, mask } = await data.context(row);
  const name = `row ${row}`;
  const { dtype, visible } = checkContext(hidden, mask, card, name);
  return { name, item: { dtype, bytes: hidden.bytes, visible, move: true } };
}

/** Groups travel as int32. */
const MOST_GROUP = 2 ** 31 - 1;

interface Shard {
  readonly source: Columns;
  readonly layout: ShardLayout;
  /** First row of this shard among all. */
  readonly first: number;
  /** Token offsets [M+1] of a ragged shard. */
  readonly offsets: Float64Array | undefined;
}

/** Data over sources; closing them closes the sources. Errors: `invalid` naming every wrong or contradictory key. */
export async function calibrationData(
  sources: readonly Columns[],
  card: ModelCard,
): Promise<CalibrationData> {
  if (sources.length === 0) throw invalid('data', 'no data given', { wanted: 'one file or several shards' });
  const checked = sources.map((source) => ({ name: source.name, source, ...shardLayout(source, card) }));
  refuse('data', [...checked.flatMap(({ problems }) => problems), ...shardContradictions(checked)]);
  const shards: Shard[] = [];
  let rows = 0;
  for (const { source, layout } of checked) {
    const offsets = layout.ragged ? await readOffsets(source, layout) : undefined;
    shards.push({ source, layout, first: rows, offsets });
    rows += layout.rows;
  }
  const { steps, explicit, layers, candidates, columns } = checked[0]!.layout;
  const dims = card.action_dim;
  const shown = card.mask_polarity === 'true_is_visible' ? 1 : 0;
  const locate = (row: number): { shard: Shard; at: number } => {
    const shard = shards.findLast(({ first }) => first <= row)!;
    return { shard, at: row - shard.first };
  };
  const ids = async (column: string): Promise<Float64Array | undefined> => {
    if (!columns.has(column)) return undefined;
    const out = new Float64Array(rows);
    for (const { source, layout, first } of shards) {
      const field = `${source.name}: ${column}`;
      const numbers = toNumbers(field, await source.rows(column, 0, layout.rows));
      const bad = numbers.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) {
        throw invalid(`${field}[${bad}]`, 'not a number', {
          found: String(numbers[bad]),
          wanted: 'a finite number',
        });
      }
      out.set(numbers, first);
    }
    return out;
  };
  const floats = async (column: string, row: number): Promise<Float32Array> => {
    const { shard, at } = locate(row);
    const field = `${shard.source.name}: ${column}[${at}]`;
    return toFloat32(field, await shard.source.rows(column, at, at + 1));
  };
  const closing = new AbortController();
  const layerTables = new Map<string, Promise<Tensor>>();
  return {
    rows,
    steps,
    dims,
    explicit,
    layers,
    hasPolicy: columns.has('policy_actions'),
    hasMask: columns.has('pad_mask'),
    candidates,
    hasCost: columns.has('candidate_cost'),
    hasTokenGroups: columns.has('token_group'),
    task: await ids('task_id'),
    episode: await ids('episode_id'),
    step: await ids('step'),
    outcome: await ids('outcome'),
    sources: shards.map(({ source, layout }) => ({
      name: source.name,
      bytes: source.bytes,
      rows: layout.rows,
    })),
    digests: async () => {
      const digests: (string | undefined)[] = [];
      for (const { source } of shards) digests.push(await source.digest?.(closing.signal));
      return digests;
    },
    context: async (row) => {
      const { shard, at } = locate(row);
      return readContext(shard, at, columns.has('pad_mask'));
    },
    tokens: async (row) => {
      const { shard, at } = locate(row);
      const { start, end, tokens } = tokenRange(shard, at);
      if (!columns.has('pad_mask')) return { tokens, masked: 0 };
      const { bytes } = await shard.source.rows('pad_mask', start, end);
      return { tokens, masked: bytes.reduce((sum, value) => sum + (value === shown ? 0 : 1), 0) };
    },
    actions: (row) => floats('actions', row),
    negatives: async (row, count) => (await floats('negatives', row)).subarray(0, count * steps * dims),
    policyActions: (row) => floats('policy_actions', row),
    candidateChunks: (row) => floats('candidates', row),
    candidateCosts: async (row) => {
      const { shard, at } = locate(row);
      const field = `${shard.source.name}: candidate_cost[${at}]`;
      const costs = toNumbers(field, await shard.source.rows('candidate_cost', at, at + 1));
      const bad = costs.findIndex((cost) => !Number.isFinite(cost));
      if (bad < 0) return costs;
      throw invalid(`${field}[${bad}]`, 'not a cost', {
        found: String(costs[bad]),
        wanted: 'a finite number, lower is better, for every candidate',
      });
    },
    tokenGroups: async (row) => {
      const { shard, at } = locate(row);
      const { shape } = shard.source.header.get('token_group')!;
      const { start, end } = tokenRange(shard, at);
      const shared = shard.layout.ragged || shape.length === 2 ? undefined : shape[0]!;
      const groups = await shard.source.rows('token_group', shared ? 0 : start, shared ?? end);
      const field = `${shard.source.name}: token_group`;
      const numbers = toNumbers(field, groups);
      const bad = numbers.findIndex((group) => !(group >= 0 && group <= MOST_GROUP));
      if (bad < 0) return numbers;
      throw invalid(`${field}[${bad}] of row ${row}`, 'not a group', {
        found: String(numbers[bad]),
        wanted: `0 to ${MOST_GROUP}`,
      });
    },
    layerActions: async (layer, row) => {
      // rows are the second axis here, so a layer is read whole, once: H * A values a row, little beside its context
      const { shard, at } = locate(row);
      const key = `${shard.first}/${layer}`;
      const table = layerTables.get(key) ?? shard.source.rows('layer_actions', layer, layer + 1);
      layerTables.set(key, table);
      const { dtype, bytes } = await table;
      const rowBytes = byteLength(dtype, [steps, dims]);
      const field = `${shard.source.name}: layer_actions[${layer}, ${at}]`;
      return toFloat32(field, {
        dtype,
        shape: [steps, dims],
        bytes: bytes.subarray(at * rowBytes, (at + 1) * rowBytes),
      });
    },
    close: async () => {
      closing.abort();
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}

async function readContext(
  shard: Shard,
  at: number,
  hasMask: boolean,
): Promise<{ hidden: Tensor; mask: Tensor | undefined }> {
  const { source } = shard;
  const { start, end, tokens } = tokenRange(shard, at);
  const hidden = await source.rows('hidden', start, end);
  const mask = hasMask ? await source.rows('pad_mask', start, end) : undefined;
  return {
    // an engine may take the whole ArrayBuffer, so nothing else may lie in it
    hidden: { dtype: hidden.dtype, shape: [tokens, hidden.shape.at(-1)!], bytes: movable(hidden.bytes) },
    mask: mask && { dtype: mask.dtype, shape: [tokens], bytes: mask.bytes },
  };
}

/** Rows of the `hidden` column that hold a context, and its number of tokens. */
function tokenRange(
  { source, layout, offsets }: Shard,
  at: number,
): { start: number; end: number; tokens: number } {
  if (layout.ragged) {
    const [start, end] = [offsets![at]!, offsets![at + 1]!];
    return { start, end, tokens: end - start };
  }
  const { shape } = source.header.get('hidden')!;
  return { start: at, end: at + 1, tokens: shape.length === 3 ? shape[1]! : 1 };
}

function movable(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

async function readOffsets(source: Columns, { rows }: ShardLayout): Promise<Float64Array> {
  const field = `${source.name}: offsets`;
  const offsets = toNumbers(field, await source.rows('offsets', 0, rows + 1));
  const tokens = source.header.get('hidden')!.shape[0]!;
  offsets.forEach((offset, row) => {
    const previous = row === 0 ? 0 : offsets[row - 1]! + 1;
    if (row === 0 ? offset !== 0 : !(offset >= previous)) {
      throw invalid(`${field}[${row}]`, 'offsets start at 0 and grow: every row has tokens', {
        found: String(offset),
        wanted: row === 0 ? '0' : `at least ${previous}`,
      });
    }
  });
  if (offsets[rows] !== tokens) {
    throw invalid(`${field}[${rows}]`, 'the last offset is the number of tokens', {
      found: String(offsets[rows]),
      wanted: `${tokens}, as hidden has rows`,
    });
  }
  return offsets;
}
