/**
 * The queries of action steps, computed for many chunks in one run. Of a work that comes in pieces they are kept for its next
 * contexts (`kept-queries.ts`).
 */
import type { ScoreItem } from './engine.js';
import { float32 } from './runtime.js';
import { firstNonFinite, type LoadedModel } from './stages.js';

/** The candidates [from, to) of an item. */
export interface Chunks {
  readonly item: Pick<ScoreItem, 'actions' | 'steps' | 'part'>;
  readonly from: number;
  readonly to: number;
}

export interface Queries {
  /** [G * H, w], good until the next call. */
  readonly queries: Float32Array;
  /** [G * H], finite exactly where the query is; absent where all are known to be. */
  readonly rowSums?: Float32Array;
}

/** Of chunks of the same H, in order. Such as belong to a part of a work come alone. */
export async function queriesOf(model: LoadedModel, chunks: readonly Chunks[]): Promise<Queries> {
  const [{ item, from, to }] = chunks as [Chunks];
  const { part, steps } = item;
  if (part === undefined) return computed(model, chunks, steps);
  const kept = model.queries.find(part.work, (part.first + from) * steps, (part.first + to) * steps);
  if (kept !== undefined) return { queries: kept };
  const fresh = await computed(model, chunks, steps);
  if (firstNonFinite(fresh.rowSums) < 0) {
    model.queries.keep(part.work, part.candidates * steps, (part.first + from) * steps, fresh.queries);
  }
  return fresh;
}

async function computed(
  { card, graphs, sessions, scratch }: LoadedModel,
  chunks: readonly Chunks[],
  steps: number,
): Promise<Required<Queries>> {
  const width = steps * card.action_dim;
  const pieces = chunks.map(({ item, from, to }) => item.actions.subarray(from * width, to * width));
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let actions = pieces[0]!;
  if (pieces.length > 1) {
    actions = scratch.floats('actions', total); // [G, H, A]
    let offset = 0;
    for (const piece of pieces) {
      actions.set(piece, offset);
      offset += piece.length;
    }
  }
  const positions = graphs.queryPositions(steps);
  const rows = total / card.action_dim; // G * H
  const queries = scratch.floats('query', rows * graphs.queryWidth);
  const rowSums = scratch.watched('query_row_sum', rows);
  await sessions.query.runInto(
    {
      actions: float32(actions, [total / width, steps, card.action_dim]),
      positions: float32(positions, [steps, positions.length / steps]),
    },
    { query: float32(queries, [rows, graphs.queryWidth]), row_sum: float32(rowSums, [rows]) },
  );
  return { queries, rowSums };
}
