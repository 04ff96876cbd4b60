/** Scores a data file with an engine: contexts pass through in batches, each encoded once, whatever is asked of it. */
import type { DataContext, ScoreData } from '../data/score-data.js';
import type { Engine, EncodeItem, Outcome, ScoreItem } from '../engine/engine.js';
import { swapInfoNce, type InfoNce } from '../energy/losses.js';
import { Fault, invalid } from '../errors.js';
import type { ActionBatch } from '../model/actions.js';
import { energiesFromRaw, probabilities, rank, type EnergyOptions } from '../model/energy.js';
import { visibleCount } from '../model/mask.js';

/** Tokens read and encoded at a time: enough to keep an engine busy, little beside its weights and activations. */
const CONTEXT_BATCH_BYTES = 32 * 1024 ** 2;
/** Context-step pairs scored in one engine run; bounds its activations, about 4 KiB each at h = 512. */
const RUN_STEPS = 32_768;
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
    const jobs: Job[] = [];
    const raws = chunks.map(({ values, candidates, steps }, slot) => {
      const raw = new Float32Array(candidates * steps);
      jobs.push(...jobsOf([slot], chunks[slot]!, values, (first, part) => raw.set(part, first * steps)));
      return raw;
    });
    if (all) {
      const slots = batch.map((_, slot) => slot);
      const rowStart = start;
      jobs.push(
        ...jobsOf(slots, all, all.values, (first, part) => {
          const { energies } = energiesFromRaw(part, all.steps, options);
          const columns = energies.length / slots.length;
          for (const slot of slots) {
            const row = energies.subarray(slot * columns, (slot + 1) * columns);
            matrix.set(row, (rowStart + slot) * data.contexts + first);
          }
        }),
      );
    }
    await runJobs(engine, batch, jobs, start);
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

/** A score item with the place of its result: `store(first, raw)`, raw [slots, part, H] of candidates from `first` on. */
interface Job {
  readonly item: ScoreItem;
  readonly store: (raw: Float32Array) => void;
}

/** One item, or several when contexts by steps exceed what one engine run should hold. */
function jobsOf(
  slots: readonly number[],
  { candidates, steps }: ActionBatch,
  values: Float32Array,
  store: (first: number, raw: Float32Array) => void,
): Job[] {
  const length = values.length / candidates; // H * A
  const part = Math.max(1, Math.floor(RUN_STEPS / (slots.length * steps)));
  const jobs: Job[] = [];
  for (let first = 0; first < candidates; first += part) {
    const last = Math.min(first + part, candidates);
    const actions = values.subarray(first * length, last * length);
    jobs.push({
      item: { slots, actions, candidates: last - first, steps },
      store: (raw) => store(first, raw),
    });
  }
  return jobs;
}

/** Encodes the contexts into slots 0, 1, ... with the first run, and forgets them with the last. */
async function runJobs(
  engine: Engine,
  contexts: readonly DataContext[],
  jobs: readonly Job[],
  firstContext: number,
): Promise<void> {
  let encode = contexts.map(({ dtype, bytes, visible }, slot): EncodeItem => ({
    slot,
    dtype,
    bytes,
    visible,
    move: false,
  }));
  for (let next = 0; next < jobs.length;) {
    const group: Job[] = [];
    for (let load = 0; next < jobs.length; next++) {
      const { slots, candidates, steps } = jobs[next]!.item;
      load += slots.length * candidates * steps;
      if (group.length > 0 && load > RUN_STEPS) break;
      group.push(jobs[next]!);
    }
    const release = next === jobs.length ? contexts.map((_, slot) => slot) : [];
    const result = await engine.run({ encode, score: group.map(({ item }) => item), release });
    for (const [slot, outcome] of result.encoded.entries()) unwrap(outcome, `context ${firstContext + slot}`);
    for (const [i, outcome] of result.scored.entries()) {
      const { item, store } = group[i]!;
      store(
        unwrap(outcome, item.slots.length === 1 ? `context ${firstContext + item.slots[0]!}` : 'actions'),
      );
    }
    encode = [];
  }
}

function unwrap<T>(outcome: Outcome<T>, where: string): T {
  if (outcome.ok) return outcome.value;
  const { kind, summary, field, found, wanted, mend } = outcome.fault;
  throw new Fault(kind, summary, {
    field: field === undefined ? where : `${where}: ${field}`,
    ...(found === undefined ? {} : { found }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(mend === undefined ? {} : { mend }),
    cause: outcome.fault,
  });
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
