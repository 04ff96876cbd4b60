/** One golden case through a running engine: float32 on ONNX Runtime against float64 in PyTorch, on any provider. */
import type { Engine, EncodeItem } from '../../src/engine/engine.js';
import { energiesFromRaw } from '../../src/model/energy.js';
import { visibleRanges } from '../../src/model/context.js';
import { toFloat32, type Tensor } from '../../src/tensor/tensor.js';
import { float64Values, goldenModel, goldenTensors, type GoldenCase } from './bundles.js';
import { assertClose } from './numbers.js';
import { valueOf } from './outcomes.js';

/** Absolute, of raw steps, energies and matrices. */
const TOLERANCE = 2e-5;
/** The same pair in another batch: the same rows through the same kernels, at most a few roundings apart. */
const SHARING_TOLERANCE = 1e-6;

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

/**
 * Raw steps, energies and matrix of the case; then, unless `alone` is false, every pair once more alone. `engine` must
 * serve that case's model; weights that were rounded need a wider `tolerance`.
 */
export async function checkGoldenCase(
  name: GoldenCase,
  engine: Engine,
  alone = true,
  tolerance = TOLERANCE,
): Promise<void> {
  const { card } = goldenModel(name);
  const inputs = goldenTensors(name, 'inputs');
  const expected = goldenTensors(name, 'expected');
  const hidden = inputs.get('hidden')!;
  const actions = inputs.get('actions')!;
  const [B, H, A] = actions.shape as [number, number, number];
  const items = Array.from({ length: B }, (_, i) => contextItem(hidden, inputs.get('pad_mask'), i));
  const values = toFloat32('actions', actions);
  const chunk = (i: number): Float32Array => values.slice(i * H * A, (i + 1) * H * A);
  const slots = items.map(({ slot }) => slot);
  const { scored } = await engine.run({
    encode: items,
    score: [
      ...slots.map((slot) => ({ slots: [slot], actions: chunk(slot), candidates: 1, steps: H })),
      { slots, actions: values, candidates: B, steps: H },
    ],
    release: slots,
  });
  const together = scored.map(valueOf);
  const wanted = (key: string): Float64Array => float64Values(expected.get(key)!);
  const options = { readout: card.readout, pool: card.pool, score: 'readout' } as const;
  const own = together.slice(0, B).map((raw) => energiesFromRaw(raw, H, options));
  assertClose(
    own.flatMap(({ energies }) => [...energies]),
    wanted('energy'),
    tolerance,
    'energy',
  );
  assertClose(
    own.flatMap(({ steps }) => [...steps]),
    wanted('steps'),
    tolerance,
    'steps',
  );
  if (expected.has('raw_steps')) {
    const found = together.slice(0, B).flatMap((raw) => [...raw]);
    assertClose(found, wanted('raw_steps'), tolerance, 'raw_steps');
  }
  const matrix = energiesFromRaw(together[B]!, H, options).energies; // [B, B]
  assertClose(matrix, wanted('matrix'), tolerance, 'matrix');
  if (!alone) return;
  for (const item of items) {
    const { slot } = item;
    const single = await engine.run({
      encode: [item],
      score: [{ slots: [slot], actions: chunk(slot), candidates: 1, steps: H }],
      release: [slot],
    });
    const raw = valueOf(single.scored[0]);
    const diagonal = (slot * B + slot) * H;
    assertClose(raw, together[slot]!, SHARING_TOLERANCE, 'alone and in a batch');
    assertClose(
      raw,
      together[B]!.subarray(diagonal, diagonal + H),
      SHARING_TOLERANCE,
      'alone and in a matrix',
    );
  }
}
