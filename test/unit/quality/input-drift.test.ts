import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  actionRange,
  inputReference,
  maskedShare,
  tokenNorm,
} from '../../../src/calibration/fit/input-statistics.js';
import type { Calibration } from '../../../src/calibration/calibration-schema.js';
import { InputDrift } from '../../../src/quality/input-drift.js';
import { seededRandom } from '../../../src/random.js';
import { fromFloat32 } from '../../../src/tensor/tensor.js';
import { FakeClock } from '../../support/fake-clock.js';

const DIM = 4;
const ROWS = 400;
type Ranges = readonly (readonly [number, number])[];

/** `tokens` of D 4, of which those outside `visible` are far larger: they must not be looked at. */
function context(
  size: number,
  tokens = 10,
  visible: Ranges = [[0, tokens]],
  dtype: 'float32' | 'bfloat16' = 'float32',
) {
  const seen = (token: number): boolean => visible.some(([start, end]) => token >= start && token < end);
  const values = Float32Array.from({ length: tokens * DIM }, (_, at) =>
    seen(Math.floor(at / DIM)) ? size : 1e6,
  );
  return { dtype, bytes: fromFloat32(dtype, [tokens, DIM], values).bytes, visible };
}

it('looks at visible tokens alone, in every format', () => {
  for (const dtype of ['float32', 'bfloat16'] as const) {
    for (const visible of [
      [[0, 10]],
      [[3, 4]],
      [
        [1, 3],
        [9, 10],
      ],
    ] as const) {
      const item = context(1.5, 10, visible, dtype);
      assert.equal(tokenNorm(item, DIM), 3, `${dtype} ${JSON.stringify(visible)}`);
    }
  }
  assert.equal(
    maskedShare(
      context(1, 10, [
        [1, 3],
        [9, 10],
      ]),
      DIM,
    ),
    0.7,
  );
  assert.equal(maskedShare(context(1), DIM), 0);
  assert.equal(actionRange(Float32Array.of(0.5, -2, 1, 0), 2), 2);
  assert.equal(actionRange(Float32Array.of(0.5, -2, 1, 0), 2, [0.25, 4]), 4);
});

it('an odd offset of the bytes does not matter', () => {
  const item = context(1.5, 10, [[2, 10]], 'bfloat16');
  const odd = new Uint8Array(item.bytes.byteLength + 1).subarray(1);
  odd.set(item.bytes);
  assert.equal(tokenNorm({ ...item, bytes: odd }, DIM), 3);
});

it('shares of a reference sum to 1, and it has a bin beyond either end', () => {
  for (const values of [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [0.25, 0.25, 0.25], [7]]) {
    const { edges, shares, mean } = inputReference(Float64Array.from(values));
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
    assert.equal(shares.length, edges.length + 1);
    assert.ok(edges[0]! < Math.min(...values) && edges.at(-1)! > Math.max(...values));
    assert.ok(edges.every((edge, i) => i === 0 || edge > edges[i - 1]!));
    assert.ok(Math.abs(mean - values.reduce((a, b) => a + b, 0) / values.length) < 1e-12);
  }
});

/** Live inputs of `shift` beside a calibration without it. */
function psiOf(shift: { norm?: number; masked?: number; range?: number }, share = 1) {
  const random = seededRandom(3);
  const { norm = 1, masked = 2, range = 1 } = shift;
  const draw = (): number => 1 + 0.1 * random.normal();
  const column = (value: () => number): Float64Array => Float64Array.from({ length: ROWS }, value);
  const inputs = {
    token_norm: inputReference(column(() => 2 * Math.abs(Math.fround(draw())))),
    masked_share: inputReference(column(() => maskedShare(context(1, 10, [[0, 8]]), DIM))),
    action_range: inputReference(column(() => Math.abs(draw()) / 0.5)),
  };
  const calibration = { input_drift: inputs, data: { action_units: [0.5, 0.5] } } as unknown as Calibration;
  const clock = new FakeClock();
  const drift = new InputDrift({
    card: { state_dim: DIM, action_dim: 2 },
    share,
    clock,
    random: seededRandom(4),
    calibration: () => calibration,
  });
  for (let i = 0; i < 1_000; i++) {
    drift.context(context(norm * draw(), 10, [[0, 10 - masked]]));
    drift.chunk(Float32Array.of(range * draw(), 0, 0, 0));
  }
  return { drift, clock, figures: Object.fromEntries(drift.figures().map((each) => [each.input, each])) };
}

it('what is like the calibration does not drift, and each input drifts by itself', () => {
  const same = psiOf({}).figures;
  for (const { input, psi, live, calibrated } of Object.values(same)) {
    assert.ok(psi! < 0.1, `${input} ${psi}`);
    assert.ok(Math.abs(live! / calibrated! - 1) < 0.05, `${input} ${live} ${calibrated}`);
  }
  const cases = [
    [{ norm: 1.3 }, 'token_norm'],
    [{ norm: 0.7 }, 'token_norm'],
    [{ masked: 1 }, 'masked_share'],
    [{ masked: 3 }, 'masked_share'],
    [{ range: 0.02 }, 'action_range'],
  ] as const;
  for (const [shift, drifted] of cases) {
    for (const { input, psi } of Object.values(psiOf(shift).figures)) {
      assert.ok(input === drifted ? psi! > 0.25 : psi! < 0.1, `${JSON.stringify(shift)}: ${input} ${psi}`);
    }
  }
});

it('a share is looked at, what is not finite is left out, and old samples go', async () => {
  const nothing = ({ drift }: ReturnType<typeof psiOf>): void =>
    assert.ok(drift.figures().every(({ live, psi }) => live === undefined && psi === undefined));
  nothing(psiOf({}, 0));
  const all = psiOf({});
  const before = all.drift.figures();
  all.drift.context(context(NaN));
  assert.equal(all.drift.figures()[0]!.live, before[0]!.live);
  await all.clock.advance(600_001);
  nothing(all);
});
