/**
 * What a checkpoint cannot say (heads, activation, readout, pool, mask polarity) as settings to try: cards that differ from
 * the declared one, nearest first, each with the flags that would say it.
 */
import type { Engine } from '../engine/engine.js';
import { startEngine } from '../engine/start.js';
import { Fault } from '../errors.js';
import type { ModelCard, Pool } from '../model/card.js';
import { READOUT_KINDS, readoutSchema, type Readout } from '../model/readout.js';
import type { Weights } from '../model/weights.js';

/** What an engine must be started with to try it. */
export interface EngineSetting {
  readonly card: ModelCard;
  /** Flags that differ from what was declared. */
  readonly flags: readonly string[];
}

/** What is done with raw steps: free to try. */
export interface ReadoutSetting {
  readonly readout: Readout;
  readonly pool: Pool;
  readonly flags: readonly string[];
}

const HEADS = [1, 2, 4, 8, 16, 32];
/** Heads narrower than this are not tried. */
const NARROWEST_HEAD = 4;
const ACTIVATIONS = ['relu', 'silu'] as const;
const POOLS = ['mean', 'sum', 'first', 'weighted'] as const;

/** The declared setting first, then those with one difference, then more. */
export function engineSettings(card: ModelCard): EngineSetting[] {
  const heads =
    card.architecture === 'cross_attention'
      ? [...new Set([card.heads, ...HEADS.filter((count) => card.hidden % (count * NARROWEST_HEAD) === 0)])]
      : [undefined];
  const settings = heads.flatMap((count) =>
    ACTIVATIONS.map((activation): EngineSetting => {
      const differs = count !== undefined && card.architecture === 'cross_attention' && count !== card.heads;
      const flags = [
        ...(differs ? [`--heads ${count}`] : []),
        ...(activation === card.activation ? [] : [`--activation ${activation}`]),
      ];
      return {
        card: { ...card, activation, ...(count === undefined ? {} : { heads: count }) },
        flags,
      };
    }),
  );
  return nearestFirst(settings);
}

/** The declared readout and pool first. */
export function readoutSettings({ readout, pool }: ModelCard): ReadoutSetting[] {
  const usual = READOUT_KINDS.map((kind) => readoutSchema.parse({ kind }));
  const readouts = [readout, ...usual.filter((each) => JSON.stringify(each) !== JSON.stringify(readout))];
  const pools: Pool[] = [pool, ...POOLS.filter((kind) => kind !== pool.kind).map((kind): Pool => ({ kind }))];
  const settings = readouts.flatMap((r) =>
    pools.map((p): ReadoutSetting => ({
      readout: r,
      pool: p,
      flags: [...(r === readout ? [] : [readoutFlags(r)]), ...(p === pool ? [] : [`--pool ${p.kind}`])],
    })),
  );
  return nearestFirst(settings);
}

/** `--readout sigmoid --gain 0.5 --scale 2 --offset 0.1` */
function readoutFlags({ kind, ...parameters }: Readout): string {
  return [
    `--readout ${kind}`,
    ...Object.entries(parameters).map(([name, value]) => `--${name} ${value}`),
  ].join(' ');
}

export function inverted(card: ModelCard): ModelCard {
  const other = card.mask_polarity === 'true_is_ignored' ? 'true_is_visible' : 'true_is_ignored';
  return { ...card, mask_polarity: other };
}

/**
 * Runs `use` on an engine of its own, float32 on the CPU. Data that cannot be scored in a setting that nobody declared give
 * `undefined`; in the declared one they are an error.
 */
export async function withSetting<T>(
  { card }: EngineSetting,
  weights: Weights,
  use: (engine: Engine) => Promise<T>,
  declared: boolean,
): Promise<T | undefined> {
  const engine = await startEngine({ card, weights }, { provider: 'cpu', precision: 'float32' });
  try {
    return await use(engine);
  } catch (error) {
    if (!declared && error instanceof Fault && error.kind === 'invalid') return undefined;
    throw error;
  } finally {
    await engine.close();
  }
}

function nearestFirst<T extends { readonly flags: readonly string[] }>(settings: T[]): T[] {
  return settings.sort((a, b) => a.flags.length - b.flags.length);
}
