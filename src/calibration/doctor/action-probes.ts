/** Does the model see what a chunk does: how far, which way, in what order, with which grip? */
import type { ModelCard } from '../../model/card.js';
import { gripperFlip } from '../data/negatives.js';
import { ok, type Finding, type ProbeInputs } from './probe.js';
import { columns, rmsDifference, ROUNDING, share, spreads, type ProbeScores } from './measure.js';

/** Below this share of the spread between chunks a change goes unseen; above the second it is surely seen. */
const UNSEEN = 1e-3;
const HARDLY_SEEN = 0.02;
/** The changes of model.md's measurement: a third of the way, half a unit aside, all dims alike. */
const SCALE = 0.3;
const SHIFT = 0.5;

/** The chunks followed by their changed copies, [variants * Q, H, A]; read back by `actionFindings`. */
export function actionVariants(inputs: ProbeInputs, card: ModelCard): Float32Array {
  const { chunks, steps, dims, free } = inputs;
  const flip = gripperFlip(card, free);
  const isFree = Array.from({ length: dims }, (_, dim) => free.includes(dim));
  const gripper = card.actions.gripper?.index;
  const variants = [
    chunks,
    chunks.map((value, i) => (isFree[i % dims] ? value * SCALE : value)),
    chunks.map((value, i) => (isFree[i % dims] ? value + SHIFT : value)),
    chunks.map((_, i) => {
      const step = Math.floor(i / dims) % steps;
      return chunks[i + (steps - 1 - 2 * step) * dims]!;
    }),
    typeof flip === 'string'
      ? chunks
      : chunks.map((value, i) => (i % dims === gripper ? flip(value) : value)),
  ];
  const out = new Float32Array(variants.length * chunks.length);
  variants.forEach((variant, i) => out.set(variant, i * chunks.length));
  return out;
}

export function actionFindings(scores: ProbeScores, inputs: ProbeInputs, card: ModelCard): Finding[] {
  const { count: Q, steps } = inputs;
  const variant = (i: number): Float64Array => columns(scores.logits, scores.chunks, i * Q, (i + 1) * Q);
  const base = variant(0);
  const { overChunks, magnitude } = spreads(base, Q);
  if (overChunks <= ROUNDING * (1 + magnitude)) {
    return [
      {
        probe: 'actions',
        level: 'failure',
        measured: `${Q} different chunks score within ${overChunks.toExponential(1)} of each other`,
        means: 'The energy does not depend on the action: every choice it makes is by chance.',
        act: 'Check the import (a swapped or missing layer) and the training loss; see the layers probe.',
      },
    ];
  }
  const change = (i: number): number => rmsDifference(variant(i), base) / overChunks;
  return [
    ok('actions', `chunks differ by ${share(overChunks)} in the raw score`),
    scaleFinding(change(1), change(2), card),
    orderFinding(change(3), steps),
    gripperFinding(change(4), card, inputs.free),
  ];
}

function scaleFinding(scaled: number, shifted: number, card: ModelCard): Finding {
  const probe = 'scale and shift';
  const measured = `all dims scaled by ${SCALE} move the score by ${share(scaled)}, shifted by ${SHIFT} by ${share(shifted)} of the spread between chunks`;
  if (Math.min(scaled, shifted) >= HARDLY_SEEN) return ok(probe, measured);
  const means =
    'It cannot see how far a move goes: a chunk and the same chunk at a third of the speed are one to it.';
  if (card.architecture === 'cross_attention' && card.action_norm === 'layer_norm') {
    return {
      probe,
      level: 'note',
      measured,
      means: `${means} This is so by construction: action_linear.layer_norm1 normalises over the action dims.`,
      act: 'Do not let it choose between chunks that differ in size alone; keep such candidates out, or gate on the distance from the baseline.',
    };
  }
  return {
    probe,
    level: 'failure',
    measured,
    means: `${means} This architecture should see it.`,
    act: 'Check the first layer of the actions and whether the actions were normalised row by row in training.',
  };
}

function orderFinding(changed: number, steps: number): Finding {
  const probe = 'order of steps';
  if (steps < 2) return { ...ok(probe, 'a chunk has one step'), level: 'note' };
  const measured = `playing chunks backwards moves the score by ${share(changed)} of the spread between chunks`;
  if (changed >= UNSEEN) return ok(probe, measured);
  return {
    probe,
    level: 'failure',
    measured,
    means: 'A chunk and its reverse are one to it: it cannot tell approaching from withdrawing.',
    act: 'Check the positions (pos_emb, or the scale of the action encoder against the sine and cosine positions).',
  };
}

function gripperFinding(changed: number, card: ModelCard, free: readonly number[]): Finding {
  const probe = 'gripper';
  const flip = gripperFlip(card, free);
  if (typeof flip === 'string') {
    return {
      probe,
      level: 'note',
      measured: `not measured: ${flip}`,
      means: 'Nobody knows whether it can tell open from closed.',
      act:
        card.actions.gripper === undefined
          ? 'Declare actions.gripper in energy.json.'
          : 'Probe with data in which it opens and closes, or declare what it lacks.',
    };
  }
  const measured = `flipping the gripper moves the score by ${share(changed)} of the spread between chunks`;
  if (changed >= HARDLY_SEEN) return ok(probe, measured);
  return {
    probe,
    level: changed < UNSEEN ? 'failure' : 'warning',
    measured,
    means:
      'It hardly tells an open gripper from a closed one: a chunk that drops the object scores like one that holds it.',
    act: 'Leave the gripper to the policy (skip_gripper), and check the index and coding in energy.json.',
  };
}
