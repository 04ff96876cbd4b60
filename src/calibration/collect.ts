/**
 * The one pass over the data. Each shuffled batch of B contexts is encoded once; its B x B matrix and every other negative
 * are scored against the same encoded contexts; then the contexts are forgotten. The next batch is read meanwhile.
 *
 * Cost of a row, in chunks scored: B for the matrix and about 13 for the made negatives (more with given ones). With the
 * default B = 16 that is some 30 chunks, less work than encoding a context of 300 tokens.
 */
import { createHash } from 'node:crypto';
import type { Engine } from '../engine/engine.js';
import { invalid } from '../errors.js';
import { checkActions } from '../model/actions.js';
import { float32Tensor } from '../tensor/tensor.js';
import { actionRange, maskedShare, tokenNorm } from './fit/input-statistics.js';
import { engineContext, type CalibrationData } from './data/calibration-data.js';
import { scoreContexts, type OfflineContext, type OfflineItem } from '../offline/score-contexts.js';
import { Recorder, type Observations, type RecordedBatch, type RecorderOptions } from './observations.js';
import { seededRandom, shuffle } from '../random.js';

export interface CollectOptions extends RecorderOptions {
  readonly engine: Engine;
  readonly seed: number;
  readonly onRows?: (count: number) => void;
}

interface ReadBatch extends RecordedBatch {
  readonly contexts: OfflineContext[];
}

/** Observations of the rows `part`, every one once. Errors: fewer rows than a batch; a row that does not fit the model. */
export async function collect(
  data: CalibrationData,
  part: Int32Array,
  options: CollectOptions,
): Promise<Observations> {
  const { engine, batch, seed, onRows } = options;
  if (part.length < batch || batch < 2) {
    throw invalid('batch', 'the data are too few for the batch', {
      found: `${part.length} rows in this part, batch ${batch}`,
      wanted: 'a batch of at least 2 and at least as many rows',
    });
  }
  const order = shuffle(part.slice(), seededRandom(seed, 'batches'));
  const batches: Int32Array[] = [];
  for (let start = 0; start < order.length; start += batch) {
    // the last batch is filled with rows that were met before: every row meets B chunks
    const rows = order.slice(start, start + batch);
    batches.push(Int32Array.from([...rows, ...order.slice(0, batch - rows.length)]));
  }
  const recorder = new Recorder(data, order, options);
  let next: Promise<ReadBatch> | undefined = readBatch(data, batches[0]!, options);
  for (let i = 0; i < batches.length; i++) {
    const current = await next!;
    next = i + 1 < batches.length ? readBatch(data, batches[i + 1]!, options) : undefined;
    next?.catch(() => undefined); // reported where it is awaited; this pass may fail before
    const items = scoreItems(current, data);
    const raw = await scoreContexts(engine, current.contexts, items);
    const fresh = Math.min(batch, order.length - i * batch);
    recorder.record(i * batch, fresh, batches[i]!, current, raw);
    onRows?.(fresh);
  }
  return recorder.observations();
}

async function readBatch(
  data: CalibrationData,
  rows: Int32Array,
  { card, plan, units }: CollectOptions,
): Promise<ReadBatch> {
  const size = data.steps * data.dims;
  const experts = new Float32Array(rows.length * size);
  const contexts: OfflineContext[] = [];
  const negatives: Float32Array[] = [];
  const candidates: { chunks: Float32Array; costs: Float64Array | undefined }[] = [];
  const inputs: ReadBatch['inputs'][number][] = [];
  const hashes: string[] = [];
  const count = plan.kinds.reduce((sum, kind) => sum + kind.count, 0);
  for (const [i, row] of rows.entries()) {
    const context = await engineContext(data, row, card);
    contexts.push(context);
    const expert = await data.actions(row);
    checkActions(float32Tensor([1, data.steps, data.dims], expert), card, `actions of row ${row}`);
    experts.set(expert, i * size);
    inputs.push({
      token_norm: tokenNorm(context.item, card.state_dim),
      masked_share: maskedShare(context.item, card.state_dim),
      action_range: actionRange(expert, data.dims, units),
    });
    hashes.push(contentHash(context.item.bytes, expert));
    if (data.candidates > 0) {
      const chunks = await data.candidateChunks(row);
      const shape = [data.candidates, data.steps, data.dims];
      checkActions(float32Tensor(shape, chunks), card, `candidates of row ${row}`);
      candidates.push({ chunks, costs: data.hasCost ? await data.candidateCosts(row) : undefined });
    }
    const made = new Float32Array(count * size);
    let at = 0;
    for (const kind of plan.kinds) {
      made.set(await kind.make(expert, row), at * size);
      at += kind.count;
    }
    negatives.push(made);
  }
  return { contexts, experts, negatives, candidates, inputs, hashes };
}

/** Bytes of a context that its hash is of: from the start and from the end, which is enough to know it again. */
const HASHED_BYTES = 4096;

/** 12 hex digits of a row's sha256. */
function contentHash(context: Uint8Array, expert: Float32Array): string {
  const hash = createHash('sha256');
  hash.update(new Uint8Array(expert.buffer, expert.byteOffset, expert.byteLength));
  hash.update(context.subarray(0, HASHED_BYTES));
  hash.update(context.subarray(Math.max(0, context.byteLength - HASHED_BYTES)));
  return hash.digest('hex').slice(0, 12);
}

/** First the matrix, then the negatives row by row, then the candidates row by row. */
function scoreItems(
  { contexts, experts, negatives, candidates }: ReadBatch,
  data: CalibrationData,
): OfflineItem[] {
  const { steps, dims } = data;
  const slots = contexts.map((_, i) => i);
  const matrix: OfflineItem = { slots, actions: experts, candidates: contexts.length, steps };
  const rows = [...negatives, ...candidates.map(({ chunks }) => chunks)].map((actions, i): OfflineItem => ({
    slots: [slots[i % slots.length]!],
    actions,
    candidates: actions.length / (steps * dims),
    steps,
  }));
  return [matrix, ...rows.filter((item) => item.candidates > 0)];
}
