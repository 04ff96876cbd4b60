/**
 * AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), as `torch.optim.AdamW` computes it, and
 * the clipping of a gradient's global norm (`torch.nn.utils.clip_grad_norm_`). Moments and parameters are float32; every
 * element is worked out in float64 and rounded once, so that the same gradients give the same bits on every machine.
 */

/** float32 values by state-dict name. */
export type ParameterValues = ReadonlyMap<string, Float32Array>;

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const ADAMW: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** What the optimiser carries from step to step. */
export interface AdamWState {
  /** Updates that were made. */
  updates: number;
  readonly first: ParameterValues;
  readonly second: ParameterValues;
}

export function freshState(parameters: ParameterValues): AdamWState {
  const zeros = (): ParameterValues =>
    new Map([...parameters].map(([name, values]) => [name, new Float32Array(values.length)]));
  return { updates: 0, first: zeros(), second: zeros() };
}

/** Euclidean norm over all parameters. */
export function globalNorm(gradients: ParameterValues): number {
  let squares = 0;
  for (const values of gradients.values()) squares += sumOfSquares(values);
  return Math.sqrt(squares);
}

/** In float64, finite exactly when every value is; four sums at once, since each addition would wait for the one before it. */
export function sumOfSquares(values: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * values[i]!;
    b += values[i + 1]! * values[i + 1]!;
    c += values[i + 2]! * values[i + 2]!;
    d += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * values[i]!;
  return a + b + (c + d);
}

/** What the gradients are multiplied by so that their norm is at most `limit`; 1e-6 as in PyTorch. */
export function clipFactor(norm: number, limit: number): number {
  return Math.min(1, limit / (norm + 1e-6));
}

/** One update in place. `factor` multiplies every gradient first. */
export function adamwUpdate(
  parameters: ParameterValues,
  gradients: ParameterValues,
  state: AdamWState,
  learningRate: number,
  factor: number,
  { beta1, beta2, epsilon, weightDecay }: AdamWOptions = ADAMW,
): void {
  state.updates++;
  const size = learningRate / (1 - beta1 ** state.updates);
  const root = 1 / Math.sqrt(1 - beta2 ** state.updates);
  const decay = 1 - learningRate * weightDecay;
  for (const [name, values] of parameters) {
    const gradient = gradients.get(name)!;
    const first = state.first.get(name)!;
    const second = state.second.get(name)!;
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i]! * factor;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * g * g;
      first[i] = m;
      second[i] = v;
      values[i] = values[i]! * decay - (size * m) / (Math.sqrt(v) * root + epsilon);
    }
  }
}
