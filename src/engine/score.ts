/**
 * Scoring: action steps of several items packed into one matrix for all linear work; each context meets its own steps
 * only in `attend`. A matrix is one item with several contexts: its queries are computed once.
 */
import { invalid, toFault, type Fault } from '../errors.js';
import { done, failed, type ScoreItem, type Outcome } from './engine.js';
import { queriesOf } from './queries.js';
import { float32 } from './runtime.js';
import { withSlope } from './slope.js';
import { firstNonFinite, notFinite, type EncodedContext, type LoadedModel } from './stages.js';

/** Steps in one run of the query and head graphs: bounds the packed activations to 4 MiB a tensor at h 512. */
export const MAX_STEPS_PER_RUN = 2048;

/**
 * A step with a greater value has squares that may sum to more than float32 holds; its layer norm then yields a
 * constant, not a NaN, and the energy would be finite and meaningless.
 */
const LARGEST_ACTION = 1e18;

export type ContextOf = (slot: number) => Outcome<EncodedContext>;

/** Part of one item: the candidates [from, to) against all of its contexts. */
interface Unit {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** One context by one unit. */
interface Pair {
  readonly unit: Unit;
  /** Index into the item's slots. */
  readonly row: number;
  readonly context: EncodedContext;
  /** First row of the unit's steps in the packed queries, and how many. */
  readonly start: number;
  readonly steps: number;
}

/** One outcome an item, in order: raw values [slots, N, H]. A bad item fails alone. */
export async function scoreItems(
  model: LoadedModel,
  items: readonly ScoreItem[],
  contextOf: ContextOf,
): Promise<Outcome<Float32Array>[]> {
  const contexts: EncodedContext[][] = [];
  const outcomes = items.map((item, index): Outcome<Float32Array> => {
    const fault = checkItem(item, model.card.action_dim);
    if (fault) return failed(fault);
    const found = item.slots.map(contextOf);
    const missing = found.find((outcome) => !outcome.ok);
    if (missing && !missing.ok) return missing;
    contexts[index] = found.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
    return done(new Float32Array(item.slots.length * item.candidates * item.steps));
  });
  for (const run of packUnits(items, outcomes)) {
    try {
      await scoreRun(model, items, contexts, run, outcomes);
    } catch (error) {
      for (const { index } of run) outcomes[index] = failed(toFault(error));
    }
  }
  // energies are computed as ever; a gradient beside them changes no bit
  for (const [index, item] of items.entries()) {
    const outcome = outcomes[index]!;
    if (!item.slope || !outcome.ok) continue;
    const [context] = contexts[index]!;
    outcomes[index] = await withSlope(model, item, item.slope, context!, outcome.value).catch(
      (error: unknown) => failed(toFault(error)),
    );
  }
  return outcomes;
}

function checkItem(
  { actions, candidates, steps, slots, slope }: ScoreItem,
  width: number,
): Fault | undefined {
  const wanted = candidates * steps * width;
  if (!(wanted > 0) || actions.length !== wanted) {
    return invalid('actions', 'value count does not match', {
      found: String(actions.length),
      wanted: `${candidates} candidates x ${steps} steps x ${width} dims, each at least 1`,
    });
  }
  if (slots.length === 0) return invalid('slots', 'no context to score against');
  if (slope && slots.length > 1) return invalid('slots', 'a slope is of one context');
  const at = actions.findIndex((value) => !(Math.abs(value) <= LARGEST_ACTION));
  if (at < 0) return undefined;
  const step = Math.floor(at / width);
  const where = `candidate ${Math.floor(step / steps)}, step ${step % steps}, dim ${at % width}`;
  const value = actions[at]!;
  return Number.isFinite(value)
    ? notFinite('action_mapped', `${where} (${value} overflows float32 when squared)`)
    : notFinite('actions', where, value);
}

/**
 * Greedy packs of units with the same H; an item of more steps than one run holds is cut between candidates, and one whose
 * queries are kept goes by itself.
 */
function packUnits(items: readonly ScoreItem[], outcomes: readonly Outcome<unknown>[]): Unit[][] {
  const runs: Unit[][] = [];
  let room = 0;
  let runSteps = -1;
  for (const [index, { candidates, steps, part }] of items.entries()) {
    if (!outcomes[index]!.ok) continue;
    const most = Math.max(1, Math.floor(MAX_STEPS_PER_RUN / steps));
    for (let from = 0; from < candidates; from += most) {
      const to = Math.min(candidates, from + most);
      const rows = (to - from) * steps;
      if (steps !== runSteps || rows > room || part !== undefined) {
        runs.push([]);
        room = MAX_STEPS_PER_RUN;
        runSteps = steps;
      }
      runs.at(-1)!.push({ index, from, to });
      room = part === undefined ? room - rows : 0;
    }
  }
  return runs;
}

async function scoreRun(
  model: LoadedModel,
  items: readonly ScoreItem[],
  contexts: readonly EncodedContext[][],
  units: readonly Unit[],
  outcomes: Outcome<Float32Array>[],
): Promise<void> {
  const { steps } = items[units[0]!.index]!; // H, the same for all
  const { queries, rowSums } = await queriesOf(
    model,
    units.map(({ index, from, to }) => ({ item: items[index]!, from, to })),
  );
  let row = 0;
  let pairs: Pair[] = [];
  let rows = 0;
  for (const unit of units) {
    const count = (unit.to - unit.from) * steps;
    const bad = rowSums === undefined ? -1 : firstNonFinite(rowSums.subarray(row, row + count));
    if (bad >= 0) outcomes[unit.index] = failed(notFinite('action_mapped', stepName(unit, bad, steps)));
    else {
      for (const [index, context] of contexts[unit.index]!.entries()) {
        if (rows + count > MAX_STEPS_PER_RUN && pairs.length > 0) {
          await runPairs(model, items, queries, pairs, rows, outcomes);
          pairs = [];
          rows = 0;
        }
        pairs.push({ unit, row: index, context, start: row, steps: count });
        rows += count;
      }
    }
    row += count;
  }
  if (pairs.length > 0) await runPairs(model, items, queries, pairs, rows, outcomes);
}

/** Attends each pair and runs the head over all of them, then writes the raw values where they belong. */
async function runPairs(
  { graphs, sessions, scratch }: LoadedModel,
  items: readonly ScoreItem[],
  queries: Float32Array,
  pairs: readonly Pair[],
  rows: number,
  outcomes: Outcome<Float32Array>[],
): Promise<void> {
  const { queryWidth, attendedWidth } = graphs;
  const attended = scratch.floats('attended', rows * attendedWidth); // [Q, w]
  let row = 0;
  for (const { context, start, steps } of pairs) {
    const target = float32(attended.subarray(row * attendedWidth, (row + steps) * attendedWidth), [
      steps,
      attendedWidth,
    ]);
    const query = float32(queries.subarray(start * queryWidth, (start + steps) * queryWidth), [
      steps,
      queryWidth,
    ]);
    await sessions.attend.runInto({ query, ...context.tensors }, { attended: target });
    row += steps;
  }
  const raws = scratch.watched('raw', rows);
  const rowSums = scratch.watched('attended_row_sum', rows);
  await sessions.head.runInto(
    { attended: float32(attended, [rows, attendedWidth]) },
    { raw: float32(raws, [rows]), row_sum: float32(rowSums, [rows]) },
  );
  row = 0;
  for (const { unit, row: contextIndex, steps } of pairs) {
    const raw = raws.subarray(row, row + steps);
    const fault =
      stageFault('attention', rowSums.subarray(row, row + steps), unit, items) ??
      stageFault('raw_steps', raw, unit, items);
    const outcome = outcomes[unit.index]!;
    if (fault) outcomes[unit.index] = failed(fault);
    else if (outcome.ok) {
      const { candidates, steps: chunk } = items[unit.index]!;
      outcome.value.set(raw, (contextIndex * candidates + unit.from) * chunk);
    }
    row += steps;
  }
}

function stageFault(
  stage: 'attention' | 'raw_steps',
  values: Float32Array,
  unit: Unit,
  items: readonly ScoreItem[],
): Fault | undefined {
  const at = firstNonFinite(values);
  return at < 0 ? undefined : notFinite(stage, stepName(unit, at, items[unit.index]!.steps));
}

function stepName({ from }: Unit, row: number, steps: number): string {
  return `candidate ${from + Math.floor(row / steps)}, step ${row % steps}`;
}
