/** What a request may hold, so that checking it does not stop the main thread. The sizes are refused, so no data is needed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../../src/errors.js';
import { checkedActions, checkedContexts } from '../../../src/serving/checked-inputs.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { configSchema } from '../../../src/config/schema.js';
import { smallCard } from '../../support/bundles.js';

const { limits } = configSchema.parse({});
const card = smallCard({ tau: 1 });
const { state_dim: D, action_dim: A } = card;

const refusedAt = (field: string) => (error: unknown) =>
  error instanceof Fault && error.kind === 'invalid' && error.field === field;

test('chunks of more than a million values in all are refused', () => {
  const chunks = (candidates: number, steps: number): Tensor => ({
    dtype: 'float32',
    shape: [candidates, steps, A],
    bytes: new Uint8Array(4 * candidates * steps * A),
  });
  const steps = Math.ceil(2 ** 20 / (4096 * A));
  const check = (tensor: Tensor) => checkedActions(limits, card, 'candidates', tensor, 1, false);
  assert.equal(check(chunks(4095, steps - 1)).candidates, 4095);
  assert.throws(() => check(chunks(4096, steps + 1)), refusedAt('candidates.shape'));
});

test('masks of more than 32,768 runs in all are refused', () => {
  const tokens = 8192;
  const inline = (i: number) =>
    ({
      kind: 'inline',
      field: `contexts[${i}].inline`,
      hidden: { dtype: 'bfloat16', shape: [tokens, D], bytes: new Uint8Array(2 * tokens * D) },
      mask: { dtype: 'bool', shape: [tokens], bytes: Uint8Array.from({ length: tokens }, (_, t) => t % 2) },
    }) as const;
  const parts = { limits, metrics: { tokens: { inc: () => undefined } } };
  const check = (count: number) =>
    checkedContexts(
      parts as unknown as Parameters<typeof checkedContexts>[0],
      { name: 'm', card, inputs: undefined },
      Array.from({ length: count }, (_, i) => inline(i)),
      false,
    );
  assert.equal(check(8).length, 8);
  assert.throws(() => check(9), refusedAt('contexts[8].inline.pad_mask'));
});
