/**
 * What can be computed of encoded contexts, one row a kind: how many chunks meet every context, what a step of them costs,
 * what goes to the engine for a piece, and where its result belongs. The rest of this folder knows no kind but through here.
 */
import type { EngineBatch, EngineResult, ScoreItem } from '../engine/engine.js';
import type { Outcome } from '../engine/outcome.js';
import type { Piece } from './pieces.js';

/** Chunks that meet every context of a work. */
export interface Chunks {
  /** [N, H, A] row-major. */
  readonly values: Float32Array;
  readonly candidates: number; // N
  readonly steps: number; // H
}

export type Task =
  /** Encoding alone, which is useful with `keep` and `hold`. */
  | { readonly kind: 'encode' }
  /** Raw per-step values of every context by every chunk. */
  | { readonly kind: 'score'; readonly actions: Chunks };

/** An engine batch that is being put together. */
export type OpenBatch = { readonly [Part in keyof EngineBatch]: EngineBatch[Part][number][] };

interface TaskRow<Kind extends Task['kind']> {
  /** Undefined when a work ends with its contexts encoded. */
  chunks(task: Extract<Task, { kind: Kind }>): Chunks | undefined;
  /** Cost of a step, in steps scored. */
  readonly stepCost: number;
  /** Adds what the piece asks for; `slots` are those of its contexts. Returns its place, for `collect`. */
  add(batch: OpenBatch, chunks: Chunks, slots: readonly number[], piece: Piece): number;
  /** What the engine answered, [rows, part, H] of the piece. */
  collect(result: EngineResult, place: number): Outcome<Float32Array> | undefined;
}

const TASKS: { readonly [Kind in Task['kind']]: TaskRow<Kind> } = {
  encode: {
    chunks: () => undefined,
    stepCost: 0,
    add: () => -1,
    collect: () => undefined,
  },
  score: {
    chunks: ({ actions }) => actions,
    stepCost: 1,
    add: ({ score }, chunks, slots, piece) => score.push(scoreItem(chunks, slots, piece)) - 1,
    collect: ({ scored }, place) => scored[place],
  },
};

export function taskRow(task: Task): TaskRow<Task['kind']> {
  return TASKS[task.kind] as TaskRow<Task['kind']>;
}

function scoreItem(
  { values, candidates, steps }: Chunks,
  slots: readonly number[],
  { first, last }: Piece,
): ScoreItem {
  const size = values.length / candidates;
  // a part is copied: of a view, the whole memory behind it would travel to the engine, once a piece
  const actions = last - first === candidates ? values : values.slice(first * size, last * size);
  return { slots, actions, candidates: last - first, steps };
}
