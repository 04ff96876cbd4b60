/** Contexts into an engine and scores out of it, for whole batches of data rows; every slot taken is given back. */
import type { Engine, EncodeItem, Outcome, ScoreItem } from '../engine/engine.js';
import { Fault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { checkContext } from '../model/context.js';
import { visibleCount } from '../model/mask.js';
import type { CalibrationData } from '../calibration/data/calibration-data.js';

/**
 * Visible tokens encoded at once. The engine's working memory grows with it (float32 states of width D), its speed no
 * longer does.
 */
const MOST_TOKENS = 4096;

/** A context read and checked, ready to be encoded. */
export interface ReadContext {
  readonly row: number;
  readonly item: Omit<EncodeItem, 'slot'>;
}

/** Reads and checks the context of a row. Errors name the row. */
export async function readContext(data: CalibrationData, row: number, card: ModelCard): Promise<ReadContext> {
  const { hidden, mask } = await data.context(row);
  const { dtype, visible } = checkContext(hidden, mask, card, `row ${row}`);
  return { row, item: { dtype, bytes: hidden.bytes, visible, move: true } };
}

/**
 * Encodes the contexts into slots `firstSlot`, `firstSlot + 1`, ..., scores the items that `score` names against them and
 * releases the slots, also when something fails. One Float32Array of raw steps [slots, N, H] an item. Errors: the first
 * context or item that fails, by row.
 */
export async function scoreContexts(
  engine: Engine,
  contexts: readonly ReadContext[],
  items: readonly ScoreItem[],
  firstSlot: number,
): Promise<Float32Array[]> {
  const slots = contexts.map((_, i) => firstSlot + i);
  try {
    for (const group of encodeGroups(contexts, firstSlot)) {
      const { encoded } = await engine.run({
        encode: group.map(({ encode }) => encode),
        score: [],
        release: [],
      });
      encoded.forEach((outcome, i) => unwrap(outcome, `row ${group[i]!.row}`));
    }
    if (items.length === 0) return [];
    const { scored } = await engine.run({ encode: [], score: items, release: [] });
    return scored.map((outcome, i) => unwrap(outcome, `score ${i} of rows ${contexts[0]!.row}...`));
  } finally {
    await engine.run({ encode: [], score: [], release: slots });
  }
}

function encodeGroups(
  contexts: readonly ReadContext[],
  firstSlot: number,
): { encode: EncodeItem; row: number }[][] {
  const groups: { encode: EncodeItem; row: number }[][] = [];
  let tokens = Infinity;
  for (const [i, { row, item }] of contexts.entries()) {
    const count = visibleCount(item.visible);
    if (tokens + count > MOST_TOKENS) {
      groups.push([]);
      tokens = 0;
    }
    tokens += count;
    groups.at(-1)!.push({ row, encode: { ...item, slot: firstSlot + i } });
  }
  return groups;
}

function unwrap<T>(outcome: Outcome<T>, where: string): T {
  if (outcome.ok) return outcome.value;
  const { fault } = outcome;
  throw new Fault(fault.kind, `${where}: ${fault.message}`, { cause: fault });
}
