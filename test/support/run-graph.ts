/** Runs a graph under construction on ONNX Runtime's CPU provider: what its nodes really do, beside what the rules infer. */
import assert from 'node:assert/strict';
import { InferenceSession, Tensor as OrtTensor } from '../../src/engine/onnx-runtime.js';
import type { ElementType } from '../../src/graph/element-type.js';
import type { Graph } from '../../src/graph/graph.js';
import type { Value } from '../../src/graph/value.js';
import { writeOnnx } from '../../src/graph/onnx.js';

/** Sizes of the symbols in a run, e.g. `{ N: 3 }`. */
export type Sizes = Readonly<Record<string, number>>;

/** The shape with its symbols replaced; products (`N*8`) and sums (`N+2`) of them too. */
export function bound({ shape }: Value, sizes: Sizes): number[] {
  const factor = (text: string): number => {
    const size = /^\d+$/.test(text) ? Number(text) : sizes[text];
    assert.ok(size !== undefined, `the size of ${text} is not given`);
    return size;
  };
  return shape.map((dim) =>
    String(dim)
      .split('+')
      .reduce((sum, term) => sum + term.split('*').reduce((all, part) => all * factor(part), 1), 0),
  );
}

/**
 * Feeds `inputs` by name and returns the outputs. Fails unless the runtime's dtypes and shapes are the inferred ones.
 * 16-bit floats go in as uint16 words, and the graph reinterprets them.
 */
export async function runGraph(
  graph: Graph,
  inputs: Readonly<Record<string, OrtTensor['data']>>,
  sizes: Sizes = {},
): Promise<Map<string, OrtTensor>> {
  const session = await InferenceSession.create(writeOnnx(graph), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const feeds = graph.inputs.map((value) => [
      value.name,
      new OrtTensor(
        value.dtype as Exclude<ElementType, 'bfloat16' | 'float16'>,
        inputs[value.name]!,
        bound(value, sizes),
      ),
    ]);
    const results = await session.run(Object.fromEntries(feeds) as Record<string, OrtTensor>);
    for (const output of graph.outputs) {
      const result = results[output.name]!;
      assert.equal(result.type, output.dtype, `dtype of ${output.name}`);
      assert.deepEqual([...result.dims], bound(output, sizes), `shape of ${output.name}`);
    }
    return new Map(Object.entries(results));
  } finally {
    await session.release();
  }
}
