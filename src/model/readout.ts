/**
 * The readout turns a raw per-step value r of the prediction head into an energy. One table: a row says what a card may
 * state about the readout, the formula, and the temperature that training usually has with it. The formula is written once and
 * read twice, over numbers here and over the values of a graph (`energy/readout-graph.ts`).
 */
import { z } from 'zod';

/** What a formula may use. */
export interface Arithmetic<T> {
  number(value: number): T;
  add(a: T, b: T): T;
  mul(a: T, b: T): T;
  sigmoid(x: T): T;
  softplus(x: T): T;
}

interface Row<S extends z.ZodObject> {
  readonly schema: S;
  /** tau of InfoNCE when nobody says another. */
  readonly usualTau: number;
  readonly formula: <T>(math: Arithmetic<T>, r: T, readout: z.infer<S>) => T;
  /** Where the formula is flat: there, raw values that differ widely give energies that hardly differ. */
  readonly isFlat: (r: number, readout: z.infer<S>) => boolean;
}

/** Lets the schema of a row type its functions. */
function row<S extends z.ZodObject>(of: Row<S>): Row<S> {
  return of;
}

/** Distance of the inner sigmoid from its ends below which it counts as flat (its slope is then under 4 percent of the top). */
const FLAT = 0.01;

const finite = z.number();
const positive = z.number().positive();

const READOUTS = {
  /** `scale * sigmoid(gain * r) + offset`; the usual card has gain 0.5, scale 2, offset 0.1. */
  sigmoid: row({
    schema: z.strictObject({
      kind: z.literal('sigmoid'),
      gain: positive.default(0.5),
      scale: positive.default(2),
      offset: finite.default(0.1),
    }),
    usualTau: 0.5,
    formula: (m, r, { gain, scale, offset }) =>
      m.add(m.mul(m.sigmoid(m.mul(r, m.number(gain))), m.number(scale)), m.number(offset)),
    isFlat(r, { gain }) {
      const inner = sigmoid(gain * r);
      return inner < FLAT || inner > 1 - FLAT;
    },
  }),
  /** `softplus(r) + offset`, whose slope is sigmoid(r). */
  softplus: row({
    schema: z.strictObject({ kind: z.literal('softplus'), offset: finite.default(1e-4) }),
    usualTau: 0.5,
    formula: (m, r, { offset }) => m.add(m.softplus(r), m.number(offset)),
    isFlat: (r) => sigmoid(r) < FLAT,
  }),
  /** `r`. */
  linear: row({
    schema: z.strictObject({ kind: z.literal('linear') }),
    usualTau: 1,
    formula: (_, r) => r,
    isFlat: () => false,
  }),
  /** `0.5 r^2 + offset`. */
  half_square: row({
    schema: z.strictObject({ kind: z.literal('half_square'), offset: finite.default(1e-6) }),
    usualTau: 0.5,
    formula: (m, r, { offset }) => m.add(m.mul(m.mul(m.number(0.5), r), r), m.number(offset)),
    isFlat: () => false,
  }),
};

export type ReadoutKind = keyof typeof READOUTS;
export type Readout = { [K in ReadoutKind]: z.infer<(typeof READOUTS)[K]['schema']> }[ReadoutKind];

export const READOUT_KINDS = Object.keys(READOUTS) as readonly ReadoutKind[];

export const readoutSchema = z.discriminatedUnion('kind', [
  READOUTS.sigmoid.schema,
  READOUTS.softplus.schema,
  READOUTS.linear.schema,
  READOUTS.half_square.schema,
]);

/** Names of the parameters that a card may state for the kind. */
export function readoutParameters(kind: ReadoutKind): string[] {
  return Object.keys(READOUTS[kind].schema.shape).filter((name) => name !== 'kind');
}

export function usualTau(kind: ReadoutKind): number {
  return READOUTS[kind].usualTau;
}

/** The readout of r, whatever r is made of. */
export function readoutOver<T>(math: Arithmetic<T>, readout: Readout, r: T): T {
  return rowOf(readout).formula(math, r, readout);
}

/** True where the readout is flat at r. */
export function isSaturated(readout: Readout, r: number): boolean {
  return rowOf(readout).isFlat(r, readout);
}

/** The row of a kind takes the readouts of that kind. */
function rowOf(readout: Readout): Pick<Row<(typeof READOUTS)[ReadoutKind]['schema']>, 'formula' | 'isFlat'> {
  return READOUTS[readout.kind] as Pick<Row<(typeof READOUTS)[ReadoutKind]['schema']>, 'formula' | 'isFlat'>;
}

/** 1 / (1 + e^-x) without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log(1 + e^x) without overflow or loss for large |x|. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

const NUMBERS: Arithmetic<number> = {
  number: (value) => value,
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  sigmoid,
  softplus,
};

export function readoutValue(readout: Readout, r: number): number {
  return readoutOver(NUMBERS, readout, r);
}

/** The readout of every value, in float64; same order and length. */
export function applyReadout(readout: Readout, raw: Float32Array | Float64Array): Float64Array {
  const out = new Float64Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = readoutOver(NUMBERS, readout, raw[i]!);
  return out;
}
