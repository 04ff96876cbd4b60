/** Flags of `import` that say what a checkpoint does not: text in, declarations out. */
import { InvalidArgumentError } from 'commander';
import { invalid } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { Declared } from '../model/declare.js';
import { refuse, type Problem } from '../model/problems.js';
import { readoutParameters, type ReadoutKind } from '../model/readout.js';

export interface DeclarationFlags {
  heads?: number;
  activation?: ModelCard['activation'];
  readout?: ReadoutKind;
  gain?: number;
  scale?: number;
  offset?: number;
  tau?: number;
  pool?: Declared['pool'];
  chunk?: number;
  units?: ModelCard['actions']['units'];
  boundsLow?: number[];
  boundsHigh?: number[];
  gripperIndex?: number;
  gripperCoding?: NonNullable<ModelCard['actions']['gripper']>['coding'];
  dimNames?: string[];
  derivedDims?: number[];
  layerNormEps?: number;
  maskPolarity?: ModelCard['mask_polarity'];
}

export function parseNumber(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('Not a number.');
  return value;
}

export function parseInteger(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Not an integer.');
  return value;
}

export function parseNumbers(text: string): number[] {
  return text.split(',').map(parseNumber);
}

export function parseIntegers(text: string): number[] {
  return text.split(',').map(parseInteger);
}

export function parseNames(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

/** `mean`, `sum`, `first`, `weighted`, `weighted:0.5,0.3,0.2`, `discount:0.9` or `windowed_max:3`. */
export function parsePool(text: string): NonNullable<Declared['pool']> {
  const [kind = '', values] = text.split(':', 2);
  if ((kind === 'mean' || kind === 'sum' || kind === 'first') && values === undefined) return { kind };
  if (kind === 'weighted') return values === undefined ? { kind } : { kind, weights: parseNumbers(values) };
  if (kind === 'discount' && values !== undefined) return { kind, gamma: parseNumber(values) };
  if (kind === 'windowed_max' && values !== undefined) return { kind, window: parseInteger(values) };
  throw new InvalidArgumentError(
    'Wanted mean, sum, first, weighted, weighted:W0,W1,... (one a step), discount:GAMMA or windowed_max:STEPS.',
  );
}

/** The readout with the parameters given for it. Errors: a parameter that this readout does not have. */
export function readoutOf(flags: DeclarationFlags): Declared['readout'] {
  const { readout: kind } = flags;
  const given = (['gain', 'scale', 'offset'] as const).filter((flag) => flags[flag] !== undefined);
  if (kind === undefined) return undefined;
  const problems = given
    .filter((flag) => !readoutParameters(kind).includes(flag))
    .map((flag): Problem => ({
      field: `--${flag}`,
      summary: `the ${kind} readout has none`,
      wanted:
        readoutParameters(kind)
          .map((name) => `--${name}`)
          .join(', ') || 'no parameters',
    }));
  refuse('flags', problems);
  const parameters = Object.fromEntries(given.map((flag) => [flag, flags[flag]]));
  // the discriminated union holds: only the kind's own parameters are left
  return { kind, ...parameters };
}

/** Action conventions; a single bound stands for every dim. Errors: half of a pair of flags. */
export function actionsOf(flags: DeclarationFlags, actionDim: number): ModelCard['actions'] {
  const { units = 'unspecified', boundsLow, boundsHigh, gripperIndex, gripperCoding } = flags;
  const { dimNames, derivedDims } = flags;
  const pairs = [
    ['--bounds-low', boundsLow, '--bounds-high', boundsHigh],
    ['--gripper-index', gripperIndex, '--gripper-coding', gripperCoding],
  ] as const;
  for (const [one, ofOne, other, ofOther] of pairs) {
    if ((ofOne === undefined) === (ofOther === undefined)) continue;
    throw invalid(ofOne === undefined ? one : other, 'missing', {
      found: `${ofOne === undefined ? other : one} alone`,
      wanted: `${one} and ${other} together`,
    });
  }
  const perDim = (values: number[]): number[] =>
    values.length === 1 ? new Array<number>(actionDim).fill(values[0]!) : values;
  return {
    units,
    ...(boundsLow && boundsHigh ? { bounds: { low: perDim(boundsLow), high: perDim(boundsHigh) } } : {}),
    ...(gripperIndex !== undefined && gripperCoding
      ? { gripper: { index: gripperIndex, coding: gripperCoding } }
      : {}),
    ...(dimNames ? { names: dimNames } : {}),
    ...(derivedDims ? { derived: derivedDims } : {}),
  };
}
