/** The energy around one expert chunk, over pushes of the whole chunk along its two liveliest dims. */
import type { Engine } from '../../engine/engine.js';
import type { ModelCard } from '../../model/card.js';
import { energiesFromRaw, type Score } from '../../model/energy.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { readContext, scoreContexts } from '../../offline/score-contexts.js';
import { actionSpread } from '../data/negatives.js';
import type { Landscape } from '../observations.js';

/** Points on a side, and the farthest push in action units. */
const SIDE = 21;
const REACH = 1;

/** Undefined when fewer than two dims besides the gripper ever move. */
export async function energyLandscape(
  engine: Engine,
  card: ModelCard,
  data: CalibrationData,
  row: number,
  units: Float64Array,
  score: Score,
  firstSlot = 0,
): Promise<Landscape | undefined> {
  const spread = await actionSpread(data);
  const moving = Array.from(spread.keys())
    .filter((dim) => dim !== card.actions.gripper?.index && spread[dim]! > 0)
    .sort((a, b) => spread[b]! / units[b]! - spread[a]! / units[a]!);
  const [first, second] = moving;
  if (first === undefined || second === undefined) return undefined;
  const { steps, dims: A } = data;
  const pushes = Array.from({ length: SIDE }, (_, i) => REACH * ((2 * i) / (SIDE - 1) - 1));
  const expert = await data.actions(row);
  const actions = new Float32Array(SIDE * SIDE * expert.length);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const base = (y * SIDE + x) * expert.length;
      expert.forEach((value, i) => {
        const push = i % A === first ? pushes[x]! : i % A === second ? pushes[y]! : 0;
        actions[base + i] = value + push * units[i % A]!;
      });
    }
  }
  const context = await readContext(data, row, card);
  const item = { slots: [firstSlot], actions, candidates: SIDE * SIDE, steps };
  const [raw] = await scoreContexts(engine, [context], [item], firstSlot);
  const { energies } = energiesFromRaw(raw!, steps, { readout: card.readout, pool: card.pool, score });
  return { row, dims: [first, second], pushes, energies: Array.from(energies) };
}
