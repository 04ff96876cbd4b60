/**
 * Contexts into an engine and scores out of it, where nobody else uses the engine: the one loop of `score`, of
 * calibration and of the doctor. Each context is encoded once, into the slot of its place in the list, whatever is
 * asked of it; every slot taken is given back, also when something fails.
 */
import { valueOf, type Engine, type EncodeItem, type ScoreItem } from '../engine/engine.js';
import { visibleCount } from '../model/context.js';

/**
 * Visible tokens encoded in one run. The engine's working memory grows with it (float32 states of width D), its speed no
 * longer does.
 */
const RUN_TOKENS = 4096;
/** Context-step pairs scored in one run; bounds its activations, about 4 KiB each at h = 512. */
const RUN_STEPS = 32_768;

/** A context that is read and checked, ready to be encoded. */
export interface OfflineContext {
  /** What faults call it, e.g. `row 12`. */
  readonly name: string;
  readonly item: Omit<EncodeItem, 'slot'>;
}

/** Chunks to score against some of the contexts; `slots` are places in the list of contexts. */
export type OfflineItem = ScoreItem;

/** Raw steps [slots, part, H] of the candidates of item `index` from `first` on. */
export type TakeRaw = (index: number, first: number, raw: Float32Array) => void;

/** Raw steps of each item whole, [slots, N, H]. Errors: the first context or item that fails, by name. */
export async function scoreContexts(
  engine: Engine,
  contexts: readonly OfflineContext[],
  items: readonly OfflineItem[],
): Promise<Float32Array[]> {
  const out = items.map(
    ({ slots, candidates, steps }) => new Float32Array(slots.length * candidates * steps),
  );
  await scoreInPieces(engine, contexts, items, (index, first, raw) => {
    const { slots, candidates, steps } = items[index]!;
    const part = raw.length / slots.length;
    slots.forEach((_, row) => {
      out[index]!.set(raw.subarray(row * part, (row + 1) * part), (row * candidates + first) * steps);
    });
  });
  return out;
}

/** As `scoreContexts`, but results are handed on piece by piece and never held as a whole. */
export async function scoreInPieces(
  engine: Engine,
  contexts: readonly OfflineContext[],
  items: readonly OfflineItem[],
  take: TakeRaw,
): Promise<void> {
  try {
    for (const group of encodeGroups(contexts)) {
      const { encoded } = await engine.run({ encode: group, score: [], release: [] });
      encoded.forEach((outcome, i) => valueOf(outcome, contexts[group[i]!.slot]!.name));
    }
    for (const group of scoreGroups(items)) {
      const { scored } = await engine.run({ encode: [], score: group.map(({ item }) => item), release: [] });
      scored.forEach((outcome, i) => {
        const { index, first, item } = group[i]!;
        const [slot] = item.slots;
        const where = item.slots.length === 1 ? contexts[slot!]!.name : 'actions';
        take(index, first, valueOf(outcome, where));
      });
    }
  } finally {
    await engine.run({ encode: [], score: [], release: contexts.map((_, slot) => slot) });
  }
}

function encodeGroups(contexts: readonly OfflineContext[]): EncodeItem[][] {
  const groups: EncodeItem[][] = [];
  let tokens = Infinity;
  for (const [slot, { item }] of contexts.entries()) {
    const count = visibleCount(item.visible);
    if (tokens + count > RUN_TOKENS) {
      groups.push([]);
      tokens = 0;
    }
    tokens += count;
    groups.at(-1)!.push({ ...item, slot });
  }
  return groups;
}

interface Piece {
  readonly index: number;
  readonly first: number;
  readonly item: ScoreItem;
}

/** Runs within `RUN_STEPS`; an item that exceeds it is cut by candidates. */
function scoreGroups(items: readonly OfflineItem[]): Piece[][] {
  const groups: Piece[][] = [];
  let load = Infinity;
  for (const [index, { slots, actions, candidates, steps }] of items.entries()) {
    const length = actions.length / candidates; // H * A
    const part = Math.max(1, Math.floor(RUN_STEPS / (slots.length * steps)));
    for (let first = 0; first < candidates; first += part) {
      const last = Math.min(first + part, candidates);
      const item = {
        slots,
        actions: actions.subarray(first * length, last * length),
        candidates: last - first,
        steps,
      };
      const pairs = slots.length * item.candidates * steps;
      if (load + pairs > RUN_STEPS) {
        groups.push([]);
        load = 0;
      }
      load += pairs;
      groups.at(-1)!.push({ index, first, item });
    }
  }
  return groups;
}
