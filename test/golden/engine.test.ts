/** The engine against the golden vectors: float32 on ONNX Runtime, float64 in PyTorch. Tolerance 2e-5 absolute. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, EncodeItem } from '../../src/engine/engine.js';
import { startEngine } from '../../src/engine/start.js';
import { energiesFromRaw } from '../../src/model/energy.js';
import { visibleRanges } from '../../src/model/mask.js';
import { toFloat32 } from '../../src/tensor/convert.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { float64Values, GOLDEN_CASES, goldenModel, goldenTensors } from '../support/bundles.js';
import { assertClose } from '../support/numbers.js';

const TOLERANCE = 2e-5;
/** The same pair in another batch: the same rows through the same kernels, at most a few roundings apart. */
const SHARING_TOLERANCE = 1e-6;

function value<T>(outcome: { ok: true; value: T } | { ok: false; fault: Error } | undefined): T {
  assert.ok(outcome);
  if (!outcome.ok) throw outcome.fault;
  return outcome.value;
}

function contextItem(hidden: Tensor, mask: Tensor | undefined, index: number): EncodeItem {
  const tokens = hidden.shape.length === 3 ? hidden.shape[1]! : 1;
  const rowBytes = hidden.bytes.byteLength / hidden.shape[0]!;
  return {
    slot: index,
    dtype: 'float32',
    bytes: hidden.bytes.subarray(index * rowBytes, (index + 1) * rowBytes),
    visible: visibleRanges(mask?.bytes.subarray(index * tokens, (index + 1) * tokens), tokens),
    move: false,
  };
}

for (const name of GOLDEN_CASES) {
  test(`${name}: raw steps, energies and matrix`, async (t) => {
    const { card, weights } = goldenModel(name);
    const inputs = goldenTensors(name, 'inputs');
    const expected = goldenTensors(name, 'expected');
    const hidden = inputs.get('hidden')!;
    const actions = inputs.get('actions')!;
    const [B, H, A] = actions.shape as [number, number, number];
    const engine = await startEngine({ card, weights }, { provider: 'cpu', threads: 2 });
    t.after(() => engine.close());

    const items = Array.from({ length: B }, (_, i) => contextItem(hidden, inputs.get('pad_mask'), i));
    const values = toFloat32('actions', actions);
    const chunk = (i: number): Float32Array => values.slice(i * H * A, (i + 1) * H * A);
    const slots = items.map(({ slot }) => slot);
    const together = await engine.run({
      encode: items,
      score: [
        ...slots.map((slot) => ({ slots: [slot], actions: chunk(slot), candidates: 1, steps: H })),
        { slots, actions: values, candidates: B, steps: H },
      ],
      release: slots,
    });
    const options = { readout: card.readout, pool: card.pool, score: 'readout' } as const;
    const own = together.scored.slice(0, B).map((outcome) => energiesFromRaw(value(outcome), H, options));
    assertClose(own.flatMap(({ energies }) => [...energies]), float64Values(expected.get('energy')!), TOLERANCE, 'energy');
    assertClose(own.flatMap(({ steps }) => [...steps]), float64Values(expected.get('steps')!), TOLERANCE, 'steps');
    const raw = expected.get('raw_steps');
    if (raw) {
      const found = together.scored.slice(0, B).flatMap((outcome) => [...value(outcome)]);
      assertClose(found, float64Values(raw), TOLERANCE, 'raw_steps');
    }
    const matrix = energiesFromRaw(value(together.scored[B]), H, options).energies; // [B, B]
    assertClose(matrix, float64Values(expected.get('matrix')!), TOLERANCE, 'matrix');
    await sharesNothing(engine, items, values, B, H, together.scored.map(value));
  });
}

/** Every pair once more alone, in a batch of its own. */
async function sharesNothing(
  engine: Engine,
  items: readonly EncodeItem[],
  values: Float32Array,
  B: number,
  H: number,
  together: readonly Float32Array[],
): Promise<void> {
  const size = values.length / B;
  for (const item of items) {
    const alone = await engine.run({
      encode: [item],
      score: [{ slots: [item.slot], actions: values.slice(item.slot * size, (item.slot + 1) * size), candidates: 1, steps: H }],
      release: [item.slot],
    });
    const raw = value(alone.scored[0]);
    assertClose(raw, together[item.slot]!, SHARING_TOLERANCE, 'alone and in a batch');
    const diagonal = (item.slot * B + item.slot) * H;
    assertClose(raw, together[B]!.subarray(diagonal, diagonal + H), SHARING_TOLERANCE, 'alone and in a matrix');
  }
}
