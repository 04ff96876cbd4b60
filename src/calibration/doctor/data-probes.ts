/** Do the data look like what the card declares? */
import type { ModelCard } from '../../model/card.js';
import { actionSpread, freeDims } from '../data/action-scale.js';
import type { CalibrationData } from '../data/calibration-data.js';
import { ok, type Finding } from './probe.js';

/** Rows looked at, evenly spaced. */
const ROWS = 512;
/** Normalised values lie in [-1, 1] but for the outermost percents. */
const OUTSIDE = 1.5;
const SHARE_OUTSIDE = 0.05;
/** Normalised dims fill their range: a spread below this in most dims speaks of metres and radians. */
const NARROW = 0.05;

export async function dataFindings(data: CalibrationData, card: ModelCard): Promise<Finding[]> {
  return [await unitsFinding(data, card), ...(await contextShapeFindings(data, card))];
}

/** Without data only the card can be read. */
export function unitsWithoutData({ actions }: ModelCard): Finding {
  if (actions.units === 'unspecified') return unspecified('the card says units `unspecified`');
  return {
    probe: 'units',
    level: 'note',
    measured: `declared ${actions.units}; not checked without data`,
    means: 'Actions in other units than those of the training give confident nonsense.',
    act: 'Run the doctor with data.',
  };
}

function unspecified(measured: string): Finding {
  return {
    probe: 'units',
    level: 'warning',
    measured,
    means:
      'Nobody knows which units the model was trained on; actions in other units give confident nonsense.',
    act: 'Set actions.units in energy.json (normalized_q99 or raw).',
  };
}

async function unitsFinding(data: CalibrationData, card: ModelCard): Promise<Finding> {
  const { dims, rows } = data;
  const { gripper, units } = card.actions;
  const free = freeDims(card, await actionSpread(data));
  const moving = free.filter((dim) => dim !== gripper?.index);
  const squares = new Float64Array(dims);
  let outside = 0;
  let values = 0;
  let oddGrips = 0;
  let grips = 0;
  const looked = Math.min(ROWS, rows);
  for (let i = 0; i < looked; i++) {
    const chunk = await data.actions(Math.floor((i * rows) / looked));
    chunk.forEach((value, at) => {
      const dim = at % dims;
      if (dim === gripper?.index) {
        grips++;
        if (!isGrip(value, gripper.coding)) oddGrips++;
        return;
      }
      if (!moving.includes(dim)) return;
      values++;
      squares[dim]! += value * value;
      if (!(Math.abs(value) <= OUTSIDE)) outside++;
    });
  }
  const typical = moving.map((dim) => Math.sqrt(squares[dim]! / (looked * data.steps)));
  const narrow = typical.filter((size) => size < NARROW).length;
  const measured =
    `${((100 * outside) / Math.max(1, values)).toFixed(1)} percent of values beyond ±${OUTSIDE}, typical size by dim ` +
    typical.map((size) => size.toPrecision(2)).join(' ');
  if (units === 'unspecified') return unspecified(`the card says units \`unspecified\`; ${measured}`);
  if (grips > 0 && oddGrips / grips > SHARE_OUTSIDE) {
    return {
      probe: 'units',
      level: 'failure',
      measured: `${((100 * oddGrips) / grips).toFixed(0)} percent of gripper values (dim ${gripper!.index}) do not fit the coding ${gripper!.coding}`,
      means: 'The gripper is somewhere else or coded otherwise: open may be scored as closed.',
      act: 'Correct actions.gripper in energy.json, or the data.',
    };
  }
  if (units === 'normalized_q99' && (outside / values > SHARE_OUTSIDE || narrow > typical.length / 2)) {
    return {
      probe: 'units',
      level: 'failure',
      measured,
      means: 'These do not look like q01/q99-normalised actions; on others the energy is confident nonsense.',
      act: 'Score the actions that the policy puts out before they are turned into robot units, or correct the card.',
    };
  }
  if (units === 'raw' && outside === 0 && narrow === 0 && typical.every((size) => size > 0.2)) {
    return {
      probe: 'units',
      level: 'warning',
      measured,
      means: 'The card says raw robot units, but every dim fills [-1, 1] as normalised actions do.',
      act: 'Check actions.units in energy.json.',
    };
  }
  return ok('units', measured);
}

function isGrip(value: number, coding: 'zero_one' | 'minus_one_one' | 'continuous'): boolean {
  const near = (target: number): boolean => Math.abs(value - target) < 0.05;
  if (coding === 'continuous') return true;
  return coding === 'zero_one' ? value > -0.05 && value < 1.05 : near(-1) || near(1);
}

async function contextShapeFindings(data: CalibrationData, card: ModelCard): Promise<Finding[]> {
  if (card.architecture === 'global_context') return [];
  const { looked, single, empty, meanMasked, anyMasked } = await maskedShare(data, ROWS);
  const findings: Finding[] = [];
  findings.push(
    single + empty === 0
      ? ok('one-token contexts', `none in ${looked} rows`)
      : {
          probe: 'one-token contexts',
          level: 'failure',
          measured: `${single} of ${looked} contexts have one visible token, ${empty} none`,
          means: 'Attention over a single key gives every action the same energy; such requests are refused.',
          act: 'Send the token sequence, not a pooled vector; for one vector a context use a global_context model.',
        },
  );
  if (!data.hasMask) return findings;
  const measured = `pad_mask hides ${(100 * meanMasked).toFixed(0)} percent of the tokens`;
  if (!anyMasked) {
    findings.push({
      probe: 'mask in the data',
      level: 'warning',
      measured: 'pad_mask hides nothing',
      means:
        "The policy's own action tokens may be visible: the energy then judges what it was told, not what it sees.",
      act: 'Build the mask as training did: action tokens and what follows are True.',
    });
  } else if (meanMasked > 0.9) {
    findings.push({
      probe: 'mask in the data',
      level: 'warning',
      measured,
      means: 'So little is left that the mask may be inverted (True means ignore).',
      act: 'Check the polarity where the data were recorded.',
    });
  } else findings.push(ok('mask in the data', measured));
  return findings;
}

/** How much of their contexts data hide. */
interface MaskedShare {
  readonly looked: number;
  /** Rows with one visible token, and with none. */
  readonly single: number;
  readonly empty: number;
  /** Mean share of masked tokens. */
  readonly meanMasked: number;
  readonly anyMasked: boolean;
}

/** Looks at `most` evenly spaced rows. */
async function maskedShare(data: CalibrationData, most: number): Promise<MaskedShare> {
  const looked = Math.min(most, data.rows);
  let single = 0;
  let empty = 0;
  let total = 0;
  let anyMasked = false;
  for (let i = 0; i < looked; i++) {
    const { tokens, masked } = await data.tokens(Math.floor((i * data.rows) / looked));
    if (tokens - masked === 1) single++;
    if (tokens - masked === 0) empty++;
    total += masked / tokens;
    anyMasked ||= masked > 0;
  }
  return { looked, single, empty, meanMasked: total / looked, anyMasked };
}
