/** How energies are made of raw steps, from messages. */
import { invalid } from '../../errors.js';
import type { Pool__Output } from '../../generated/action_energy/v1/Pool.js';
import type { Score__Output } from '../../generated/action_energy/v1/Score.js';
import type { ModelCard, Pool } from '../../model/card.js';
import type { EnergyOptions } from '../../model/energy.js';

/** Whether these are the energies that the card defines; only those are comparable from request to request. */
export function isCardEnergy(card: ModelCard, { pool, score }: EnergyOptions): boolean {
  return score === 'readout' && pool === card.pool;
}

/** Pool, readout and score for chunks of H = `steps`. Errors name `pool` or `score` below `prefix`. */
export function decodeEnergyOptions(
  prefix: string,
  pool: Pool__Output | null | undefined,
  score: Score__Output | undefined,
  card: ModelCard,
  steps: number,
): EnergyOptions {
  return {
    readout: card.readout,
    pool: decodePool(`${prefix}pool`, pool, card, steps),
    score: decodeScore(`${prefix}score`, score),
  };
}

function decodeScore(field: string, score: Score__Output | undefined): EnergyOptions['score'] {
  if (score === undefined || score === 'SCORE_UNSPECIFIED' || score === 'READOUT') return 'readout';
  if (score === 'LOGIT') return 'logit';
  throw invalid(field, 'unknown score', { found: String(score), wanted: 'READOUT or LOGIT' });
}

function decodePool(
  field: string,
  message: Pool__Output | null | undefined,
  card: ModelCard,
  steps: number,
): Pool {
  switch (message?.kind) {
    case undefined:
      return card.pool;
    case 'mean':
    case 'sum':
    case 'first':
      return { kind: message.kind };
    case 'weighted': {
      const weights = (message.weighted?.weights ?? []).map(Number);
      if (weights.length === 0) return { kind: 'weighted' };
      if (weights.length !== steps) {
        throw invalid(`${field}.weighted.weights`, 'one weight a step', {
          found: `${weights.length} weights`,
          wanted: `${steps}`,
        });
      }
      const bad = weights.findIndex((weight) => !Number.isFinite(weight));
      if (bad >= 0)
        throw invalid(`${field}.weighted.weights[${bad}]`, 'not finite', { found: String(weights[bad]) });
      return { kind: 'weighted', weights };
    }
    case 'discount': {
      const gamma = Number(message.discount?.gamma);
      if (!(gamma > 0 && gamma <= 1)) {
        throw invalid(`${field}.discount.gamma`, 'not a discount', {
          found: String(gamma),
          wanted: 'above 0, at most 1',
        });
      }
      return { kind: 'discount', gamma };
    }
  }
}

/** The temperature that was asked for, else the card's. Errors name `field`. */
export function decodeTau(field: string, tau: number | string | undefined, card: ModelCard): number {
  if (tau === undefined) return card.tau;
  const value = Number(tau);
  if (!(value > 0) || value === Infinity) {
    throw invalid(field, 'not a temperature', { found: String(tau), wanted: 'a finite number above 0' });
  }
  return value;
}
