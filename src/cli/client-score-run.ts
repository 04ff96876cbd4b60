/** Scores a data file on a server: the same results as `offline/score-file.ts` computes here. */
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import type { CallSettings } from '../client/call.js';
import type { EnergyClient } from '../client/energy-client.js';
import { ClientContext } from '../client/kept-context.js';
import { contextMessage, tensorMessage } from '../client/messages.js';
import type { DataContext, ScoreData } from '../data/score-data.js';
import { swapInfoNce } from '../energy/losses.js';
import { Fault } from '../errors.js';
import type { InlineContext } from '../generated/action_energy/v1/InlineContext.js';
import type { Model__Output } from '../generated/action_energy/v1/Model.js';
import type { Pool as PoolMessage } from '../generated/action_energy/v1/Pool.js';
import type { ScoreActionsResponse__Output } from '../generated/action_energy/v1/ScoreActionsResponse.js';
import type { ActionBatch } from '../model/actions.js';
import type { Pool } from '../model/card.js';
import { visibleCount } from '../model/context.js';
import { floats32, float32Tensor } from '../tensor/tensor.js';
import {
  candidatesOf,
  checkMatrix,
  type ContextScores,
  type FileScores,
  type ScoreOptions,
} from '../offline/score-file.js';

/** Contexts read, and sent, at a time: the server makes batches of them. */
const BATCH_BYTES = 16 * 1024 ** 2;
/** What a message holds beside its tensors, generously. */
const MESSAGE_OVERHEAD_BYTES = 64 * 1024;

export interface RemoteOptions extends ScoreOptions {
  /** What the candidates are scored by; `score` is what a matrix is of. */
  readonly asked: ChoiceScore;
  /** The temperature that the user gave; without one the server takes its calibration's, or the card's. */
  readonly askedTau: number | undefined;
  /** Leave the calibration out. */
  readonly raw: boolean;
  /** Keep contexts on the server while they are in use. */
  readonly keep: boolean;
  readonly settings: CallSettings;
  readonly onProgress: (contextsDone: number) => void;
}

export interface RemoteScores extends FileScores {
  /** Of the probabilities. */
  readonly tau: number;
  /** Empty when they are not calibrated. */
  readonly calibrationVersion: string;
}

/** Errors: those of `scoreFile`, and those of the calls. Contexts that were kept are dropped at the end. */
export async function scoreRemotely(
  client: EnergyClient,
  model: Model__Output,
  data: ScoreData,
  options: RemoteOptions,
): Promise<RemoteScores> {
  if (options.matrix) checkMatrix(data);
  const name = model.version?.name ?? '';
  const all = options.matrix ? await data.readActions(0, data.contexts) : undefined;
  const matrix = new Float64Array(all ? data.contexts ** 2 : 0);
  const contexts: ContextScores[] = [];
  let { tau } = options;
  let calibrationVersion = '';
  let start = 0;
  for (const end of data.batches(BATCH_BYTES)) {
    const batch = await data.readContexts(start, end);
    const chunks = await candidatesOf(data, start, end);
    const sources = batch.map((context) => new Source(client, name, context, options));
    try {
      const answers = sources.map((source, i) => source.score(chunks[i]!));
      for (const [i, answer] of (await Promise.all(answers)).entries()) {
        contexts.push(contextScores(batch[i]!, answer, chunks[i]!.steps));
        tau = answer.tau;
        calibrationVersion = answer.model?.calibrationVersion ?? '';
      }
      if (all) await fillMatrix(client, model, sources, all, start, matrix, options);
    } finally {
      await Promise.allSettled(sources.map((source) => source.drop()));
    }
    start = end;
    options.onProgress(end);
  }
  if (!all) return { contexts, tau, calibrationVersion };
  const size = data.contexts;
  return {
    contexts,
    tau,
    calibrationVersion,
    matrix: { size, energies: matrix, ...swapInfoNce(matrix, size, options.tau) },
  };
}

/** A context of the file as the server is given it: whole each time, or by id once it is kept. */
class Source {
  readonly inline: InlineContext;
  readonly bytes: number;
  readonly kept: ClientContext | undefined;
  readonly #client: EnergyClient;
  readonly #model: string;
  readonly #options: RemoteOptions;

  constructor(client: EnergyClient, model: string, context: DataContext, options: RemoteOptions) {
    const { dtype, tokens, bytes, visible } = context;
    this.#client = client;
    this.#model = model;
    this.#options = options;
    const shape = [tokens, bytes.byteLength / (tokens * (dtype === 'float32' ? 4 : 2))];
    this.inline = contextMessage({ dtype, shape, bytes }, visible);
    this.bytes = bytes.byteLength + tokens;
    this.kept = options.keep ? new ClientContext(client, this.inline, { model }) : undefined;
  }

  score(chunk: ActionBatch): Promise<ScoreActionsResponse__Output> {
    const { settings, pool, asked, askedTau, raw } = this.#options;
    const body = {
      candidates: actionsMessage(chunk, 0, chunk.candidates),
      options: {
        pool: poolMessage(pool),
        score: SCORES[asked],
        perStep: true,
        raw,
        ...(askedTau === undefined ? {} : { tau: askedTau }),
      },
    };
    if (this.kept) return this.kept.score(body, settings);
    return this.#client.score({ model: this.#model, inline: this.inline, ...body }, settings);
  }

  async drop(): Promise<void> {
    await this.kept?.drop(this.#options.settings);
  }
}

const SCORES = { readout: 'READOUT', logit: 'LOGIT', corrected: 'CORRECTED' } as const;

function actionsMessage({ values, candidates, steps }: ActionBatch, from: number, to: number) {
  const length = values.length / candidates; // H * A
  const part = values.subarray(from * length, to * length);
  return tensorMessage('candidates', float32Tensor([to - from, steps, length / steps], part));
}

function poolMessage(pool: Pool): PoolMessage {
  switch (pool.kind) {
    case 'weighted':
      return { weighted: { weights: [...(pool.weights ?? [])] } };
    case 'discount':
      return { discount: { gamma: pool.gamma } };
    case 'windowed_max':
      return { windowedMax: { window: pool.window } };
    default:
      return { [pool.kind]: {} };
  }
}

function contextScores(
  { tokens, visible }: DataContext,
  { energies, probabilities, pValues, ranking, stepEnergies }: ScoreActionsResponse__Output,
  chunk: number,
): ContextScores {
  if (!stepEnergies) throw new Fault('internal', 'the server left out the energies of the steps');
  return {
    tokens,
    visible: visibleCount(visible),
    chunk,
    energies: Float64Array.from(energies),
    probabilities: Float64Array.from(probabilities),
    ...(pValues.length > 0 ? { pValues: Float64Array.from(pValues) } : {}),
    ranking: Int32Array.from(ranking),
    steps: Float64Array.from(floats32(stepEnergies.data)),
  };
}

/** Rows `firstRow` and on of the matrix, in calls that keep to the server's limits. */
async function fillMatrix(
  client: EnergyClient,
  { version, limits }: Model__Output,
  sources: readonly Source[],
  all: ActionBatch,
  firstRow: number,
  matrix: Float64Array,
  { keep, settings, pool, score }: RemoteOptions,
): Promise<void> {
  if (!limits) throw new Fault('internal', 'the server did not tell its limits');
  const size = all.candidates; // B
  const actionBytes = all.values.byteLength / size;
  const room = limits.messageBytes - MESSAGE_OVERHEAD_BYTES;
  const columns = Math.max(
    1,
    Math.min(
      size,
      limits.candidates,
      Math.floor(room / 2 / actionBytes),
      Math.floor(limits.scoredSteps / all.steps),
    ),
  );
  const mostRows = Math.max(
    1,
    Math.min(limits.contexts, Math.floor(limits.scoredSteps / (columns * all.steps))),
  );
  for (const [from, to] of rowBlocks(sources, keep, mostRows, room - columns * actionBytes)) {
    for (let first = 0; first < size; first += columns) {
      const last = Math.min(size, first + columns);
      const ask = async (ids: readonly string[]): Promise<void> => {
        const { energies } = await client.matrix(
          {
            model: version?.name ?? '',
            contexts: sources
              .slice(from, to)
              .map(({ inline }, i) => (keep ? { contextId: ids[i]! } : { inline })),
            actions: actionsMessage(all, first, last),
            pool: poolMessage(pool),
            score: SCORES[score],
          },
          settings,
        );
        const values = floats32(energies!.data); // [rows, columns]
        for (let row = from; row < to; row++) {
          const offset = (row - from) * (last - first);
          matrix.set(values.subarray(offset, offset + last - first), (firstRow + row) * size + first);
        }
      };
      await withIds(keep ? sources.slice(from, to) : [], [], ask, settings);
    }
  }
}

/** Ids of all contexts at once; each is made sure of by its own `withId`. */
function withIds(
  sources: readonly Source[],
  ids: readonly string[],
  use: (ids: readonly string[]) => Promise<void>,
  settings: CallSettings,
): Promise<void> {
  const [first, ...rest] = sources;
  if (first === undefined) return use(ids);
  return first.kept!.withId((id) => withIds(rest, [...ids, id], use, settings), settings);
}

function rowBlocks(
  sources: readonly Source[],
  keep: boolean,
  mostRows: number,
  roomBytes: number,
): [from: number, to: number][] {
  const blocks: [number, number][] = [];
  let bytes = 0;
  for (const [i, source] of sources.entries()) {
    const size = keep ? 0 : source.bytes;
    const block = blocks.at(-1);
    if (block && i - block[0] < mostRows && bytes + size <= roomBytes) {
      block[1] = i + 1;
      bytes += size;
    } else {
      blocks.push([i, i + 1]);
      bytes = size;
    }
  }
  return blocks;
}
