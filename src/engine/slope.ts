/**
 * Gradients of energies by the actions, dE/dA: one graph a context, forward and back. A chunk's gradient is its own whoever
 * shares the run.
 */
import { done, failed, type Outcome, type ScoreItem, type Slope } from './engine.js';
import { float32 } from './runtime.js';
import { firstNonFinite, notFinite, type EncodedContext, type LoadedModel } from './stages.js';

/** Steps in one run: forward and back hold some ten tensors of [steps, h]. */
const MAX_STEPS_PER_RUN = 512;
/** [N, H + H*A]: raw steps, given as [N, H], and slope of each chunk. */
export async function withSlope(
  { card, graphs, slopes }: LoadedModel,
  { actions, candidates, steps }: ScoreItem,
  { score, pool }: Slope,
  context: EncodedContext,
  raw: Float32Array,
): Promise<Outcome<Float32Array>> {
  const { action_dim: dims } = card;
  const size = steps * dims; // H*A
  const windowed = !(pool instanceof Float32Array);
  const program = await slopes.of({ steps, score, ...(windowed && { window: pool.window }) });
  const positions = graphs.queryPositions(steps);
  const fixed = {
    positions: float32(positions, [steps, positions.length / steps]),
    ...context.tensors,
    ...(!windowed && { pool: float32(pool, [steps]) }),
  };
  const out = new Float32Array(candidates * (steps + size));
  const most = Math.max(1, Math.floor(MAX_STEPS_PER_RUN / steps));
  for (let from = 0; from < candidates; from += most) {
    const count = Math.min(most, candidates - from);
    const chunk = actions.subarray(from * size, (from + count) * size);
    const slope = new Float32Array(count * size).fill(NaN); // what is not written is no result
    await program.runInto(
      { actions: float32(chunk, [count, steps, dims]), ...fixed },
      { slope: float32(slope, [count, steps, dims]) },
    );
    const at = firstNonFinite(slope);
    if (at >= 0) {
      const step = Math.floor((at % size) / dims);
      return failed(notFinite('action_gradient', `candidate ${from + Math.floor(at / size)}, step ${step}`));
    }
    for (let i = 0; i < count; i++) {
      const start = (from + i) * (steps + size);
      out.set(raw.subarray((from + i) * steps, (from + i + 1) * steps), start);
      out.set(slope.subarray(i * size, (i + 1) * size), start + steps);
    }
  }
  return done(out);
}
