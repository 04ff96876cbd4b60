/** Scores a data file with an engine: contexts pass through in batches, each encoded once, whatever is asked of it. */
import type { DataContext, ScoreData } from '../data/score-data.js';
import type { Engine } from '../engine/engine.js';
import { swapInfoNce, type InfoNce } from '../energy/losses.js';
import { invalid } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import { energiesFromRaw, probabilities, rank, type EnergyOptions } from '../model/energy.js';
import { visibleCount } from '../model/context.js';
import { scoreInPieces, type OfflineContext, type OfflineItem } from './score-contexts.js';

/** Tokens read and encoded at a time: enough to keep an engine busy, little beside its weights and activations. */
const CONTEXT_BATCH_BYTES = 32 * 1024 ** 2;
/** Largest B of a B x B matrix: 128 MiB of energies. */
const MAX_MATRIX = 4096;

export interface ScoreOptions extends EnergyOptions {
  readonly tau: number;
  readonly matrix: boolean;
}

export interface ContextScores {
  readonly tokens: number;
  readonly visible: number;
  /** H. */
  readonly chunk: number;
  /** [N] each; `ranking` is candidate indices, lowest energy first. */
  readonly energies: Float64Array;
  readonly probabilities: Float64Array;
  /** Of a calibrated model: the share of experts with an energy this high, [N]. */
  readonly pValues?: Float64Array;
  readonly ranking: Int32Array;
  /** [N, H] row-major. */
  readonly steps: Float64Array;
}

export interface MatrixScores extends InfoNce {
  /** B. */
  readonly size: number;
  /** [B, B] row-major, E[i, j] = E(context i, action j). */
  readonly energies: Float64Array;
}

export interface FileScores {
  readonly contexts: readonly ContextScores[];
  readonly matrix?: MatrixScores;
}

/**
 * Energies of every context's candidates (its own chunk of `actions` where the file has no `candidates`), and of all
 * contexts by all actions when `matrix` is asked for. Errors: values that the card or the engine refuses, by context;
 * a matrix without `actions`, of one context, or of more than `MAX_MATRIX`.
 */
export async function scoreFile(
  engine: Engine,
  data: ScoreData,
  options: ScoreOptions,
  onProgress: (contextsDone: number) => void = () => undefined,
): Promise<FileScores> {
  if (options.matrix) checkMatrix(data);
  const all = options.matrix ? await data.readActions(0, data.contexts) : undefined;
  const matrix = new Float64Array(all ? data.contexts ** 2 : 0);
  const contexts: ContextScores[] = [];
  let start = 0;
  for (const end of data.batches(CONTEXT_BATCH_BYTES)) {
    const batch = await data.readContexts(start, end);
    const chunks = await candidatesOf(data, start, end);
    const items = chunks.map((chunk, slot) => itemOf([slot], chunk));
    if (all) items.push(itemOf([...batch.keys()], all));
    const raws = chunks.map(({ candidates, steps }) => new Float32Array(candidates * steps));
    const rowStart = start;
    await scoreInPieces(engine, offlineContexts(batch, start), items, (index, first, raw) => {
      if (index < raws.length) return raws[index]!.set(raw, first * items[index]!.steps);
      const { energies } = energiesFromRaw(raw, all!.steps, options);
      const columns = energies.length / batch.length;
      for (const slot of batch.keys()) {
        const row = energies.subarray(slot * columns, (slot + 1) * columns);
        matrix.set(row, (rowStart + slot) * data.contexts + first);
      }
    });
    for (const [slot, raw] of raws.entries()) {
      contexts.push(contextScores(batch[slot]!, raw, chunks[slot]!.steps, options));
    }
    start = end;
    onProgress(end);
  }
  if (!all) return { contexts };
  const size = data.contexts;
  return { contexts, matrix: { size, energies: matrix, ...swapInfoNce(matrix, size, options.tau) } };
}

/** Errors: a file of which no matrix can be made. */
export function checkMatrix(data: ScoreData): void {
  if (!data.hasActions) {
    throw invalid('--matrix', 'the file has no actions', {
      wanted: 'key actions [B, H, A]: the chunk that belongs to each context',
    });
  }
  if (data.contexts < 2 || data.contexts > MAX_MATRIX) {
    throw invalid('--matrix', 'not a batch for a matrix', {
      found: `${data.contexts} contexts`,
      wanted: `2 to ${MAX_MATRIX}`,
    });
  }
}

/** The candidates of each context; its own chunk of `actions` where the file has none. */
export async function candidatesOf(data: ScoreData, start: number, end: number): Promise<ActionBatch[]> {
  if (data.candidates !== undefined) {
    const chunks: ActionBatch[] = [];
    for (let context = start; context < end; context++) chunks.push(await data.readCandidates(context));
    return chunks;
  }
  const { values, steps } = await data.readActions(start, end);
  const length = values.length / (end - start); // H * A
  return Array.from({ length: end - start }, (_, i) => ({
    values: values.subarray(i * length, (i + 1) * length),
    candidates: 1,
    steps,
  }));
}

function itemOf(slots: readonly number[], { values, candidates, steps }: ActionBatch): OfflineItem {
  return { slots, actions: values, candidates, steps };
}

/** The contexts may be views of one block, which is therefore not given away. */
function offlineContexts(batch: readonly DataContext[], first: number): OfflineContext[] {
  return batch.map(({ dtype, bytes, visible }, i) => ({
    name: `context ${first + i}`,
    item: { dtype, bytes, visible, move: false },
  }));
}

function contextScores(
  { tokens, visible }: DataContext,
  raw: Float32Array,
  chunk: number,
  options: ScoreOptions,
): ContextScores {
  const { energies, steps } = energiesFromRaw(raw, chunk, options);
  return {
    tokens,
    visible: visibleCount(visible),
    chunk,
    energies,
    probabilities: probabilities(energies, options.tau),
    ranking: rank(energies),
    steps,
  };
}
