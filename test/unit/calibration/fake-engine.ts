/**
 * An engine made of arithmetic, for tests of what stands above engines: the first A values of a context's first visible
 * token are the action that it wants, and
 *   r_t = gain * (mean over dims of (a_t - wanted)^2 - 1) + 0.02 t
 * so the energy rises with the distance from the expert. Counts what it was asked for.
 */
import type { Engine, EngineBatch, EngineResult, ScoreItem, Outcome } from '../../../src/engine/engine.js';
import { Fault } from '../../../src/errors.js';
import { float16ToNumber } from '../../../src/tensor/tensor.js';

export interface FakeEngine extends Engine {
  readonly held: Map<number, Float32Array>;
  encodes: number;
  chunks: number;
}

export function fakeEngine(dims: number, stateDim: number, gain = 3): FakeEngine {
  const held = new Map<number, Float32Array>();
  const engine: FakeEngine = {
    info: { provider: 'cpu', precision: 'float32', refused: [], threads: 1, bytesPerToken: 4 * dims },
    held,
    encodes: 0,
    chunks: 0,
    failed: new Promise(() => undefined),
    close: async () => undefined,
    run: async (batch: EngineBatch): Promise<EngineResult> => {
      const encoded = batch.encode.map(({ slot, bytes, dtype, visible }): Outcome<{ bytes: number }> => {
        if (held.has(slot)) return { ok: false, fault: new Fault('internal', `slot ${slot} is taken`) };
        const first = visible[0]![0] * stateDim;
        const wanted = firstValues(bytes, dtype, first, dims);
        if (wanted.some(Number.isNaN)) return { ok: false, fault: new Fault('invalid', 'NaN in hidden') };
        held.set(slot, wanted);
        engine.encodes++;
        return { ok: true, value: { bytes: 4 * dims } };
      });
      const scored = batch.score.map((item): Outcome<Float32Array> => {
        engine.chunks += item.candidates * item.slots.length;
        return { ok: true, value: rawSteps(item, held, dims, gain) };
      });
      for (const slot of batch.release) held.delete(slot);
      return { encoded, scored, encodeMs: 0, scoreMs: 0 };
    },
  };
  return engine;
}

function firstValues(bytes: Uint8Array, dtype: string, first: number, count: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: count }, (_, i) => {
    if (dtype === 'float32') return view.getFloat32(4 * (first + i), true);
    const bits = view.getUint16(2 * (first + i), true);
    if (dtype === 'float16') return float16ToNumber(bits);
    return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
  });
}

/** [slots, N, H] */
function rawSteps(
  { slots, actions, candidates, steps }: ScoreItem,
  held: ReadonlyMap<number, Float32Array>,
  dims: number,
  gain: number,
): Float32Array {
  const out = new Float32Array(slots.length * candidates * steps);
  let at = 0;
  for (const slot of slots) {
    const wanted = held.get(slot)!;
    for (let chunk = 0; chunk < candidates; chunk++) {
      for (let t = 0; t < steps; t++, at++) {
        let squares = 0;
        for (let d = 0; d < dims; d++) {
          squares += (actions[(chunk * steps + t) * dims + d]! - wanted[d]!) ** 2;
        }
        out[at] = gain * (squares / dims - 1) + 0.02 * t;
      }
    }
  }
  return out;
}
