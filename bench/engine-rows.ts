/** The rows of `bench:engine`: what our engine does, its multiply-adds, and the same work replicated pair by pair. */
import type { EncodeItem, EngineBatch, TokenDType } from '../src/engine/engine.js';
import type { BenchSize } from './random-model.js';
import { randomActions, randomContext } from './random-model.js';

export interface EngineRow {
  readonly name: string;
  /** Encoded once before the clock starts. */
  readonly prepare: () => EngineBatch;
  /** What is timed, one after the other. */
  readonly batches: () => readonly EngineBatch[];
  /** Multiply-adds of the matrix products in them. */
  readonly macs: number;
  /** Pairs (context, candidate) that the replicated model runs for the same energies; absent where it has no equal. */
  readonly replicated?: {
    readonly contexts: number;
    readonly candidates: number;
    readonly pairs: 'rank' | 'matrix';
  };
}

const EMPTY: EngineBatch = { encode: [], score: [], release: [] };

function contexts(size: BenchSize, dtype: TokenDType, count: number): EncodeItem[] {
  return Array.from({ length: count }, (_, slot) => ({
    slot,
    dtype,
    bytes: randomContext(size, dtype, slot + 1).bytes,
    visible: [[0, size.tokens - size.masked]],
    move: false,
  }));
}

/** Multiply-adds of encoding one context: fc1, one block, K and V. */
export function encodeMacs({ tokens, masked, stateDim, hidden }: BenchSize): number {
  return (tokens - masked) * hidden * (stateDim + 3 * hidden);
}

/** Multiply-adds of one candidate's queries: fc1, one block, the query projection. */
function queryMacs({ steps, actionDim, hidden }: BenchSize): number {
  return steps * hidden * (actionDim + 2 * hidden);
}

/** Multiply-adds of one pair: attention, its output projection, the head's fc1 and two blocks. */
function pairMacs({ tokens, masked, steps, hidden }: BenchSize): number {
  return steps * hidden * (2 * (tokens - masked) + 4 * hidden);
}

function score(size: BenchSize, slots: number[], candidates: number): EngineBatch['score'] {
  return [{ slots, actions: randomActions(size, candidates, 7), candidates, steps: size.steps }];
}

export function engineRows(size: BenchSize): EngineRow[] {
  const encode = (dtype: TokenDType, name: string): EngineRow => ({
    name,
    prepare: () => EMPTY,
    batches: () => [{ encode: contexts(size, dtype, 1), score: [], release: [0] }],
    macs: encodeMacs(size),
  });
  const encoded = (candidates: number): EngineRow => ({
    name: `score N ${candidates}, context encoded`,
    prepare: () => ({ encode: contexts(size, 'bfloat16', 1), score: [], release: [] }),
    batches: () => [{ encode: [], score: score(size, [0], candidates), release: [] }],
    macs: candidates * (queryMacs(size) + pairMacs(size)),
    replicated: { contexts: 1, candidates, pairs: 'rank' },
  });
  const fresh = (candidates: number): EngineRow => ({
    name: `rank N ${candidates}, context fresh`,
    prepare: () => EMPTY,
    batches: () => [
      { encode: contexts(size, 'bfloat16', 1), score: score(size, [0], candidates), release: [0] },
    ],
    macs: encodeMacs(size) + candidates * (queryMacs(size) + pairMacs(size)),
    replicated: { contexts: 1, candidates, pairs: 'rank' },
  });
  const matrix = (count: number): EngineRow => {
    const slots = Array.from({ length: count }, (_, slot) => slot);
    return {
      name: `matrix B ${count}`,
      prepare: () => EMPTY,
      batches: () => [
        { encode: contexts(size, 'bfloat16', count), score: score(size, slots, count), release: slots },
      ],
      macs: count * (encodeMacs(size) + queryMacs(size)) + count * count * pairMacs(size),
      replicated: { contexts: count, candidates: count, pairs: 'matrix' },
    };
  };
  /** As the scheduler cuts it: a context a piece, and the queries kept from the first to the last. */
  const pieces = (count: number, candidates: number): EngineRow => ({
    name: `matrix B ${count} by N ${candidates}, in pieces, contexts encoded`,
    prepare: () => ({ encode: contexts(size, 'bfloat16', count), score: [], release: [] }),
    batches: () =>
      Array.from({ length: count }, (_, slot) => ({
        encode: [],
        score: score(size, [slot], candidates).map((item) => ({
          ...item,
          part: { work: count, first: 0, candidates },
        })),
        release: slot === count - 1 ? [count] : [],
      })),
    macs: candidates * queryMacs(size) + count * candidates * pairMacs(size),
  });
  return [
    encode('float32', 'encode, float32 tokens'),
    encode('bfloat16', 'encode, bfloat16 tokens'),
    encode('float16', 'encode, float16 tokens'),
    ...[1, 8, 64, 256].map(encoded),
    fresh(64),
    matrix(8),
    matrix(32),
    pieces(8, 512),
  ];
}
