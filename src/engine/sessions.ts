/**
 * The graphs of one energy model (`src/energy/graphs.ts`) as programs of a runtime: the five that serve, and gradients by the
 * actions, which are made when they are first asked for.
 */
import type { GradientOf, EnergyGraphs } from '../energy/graphs.js';
import type { Graph } from '../graph/graph.js';
import { padProducts } from '../graph/pad-products.js';
import { quantizeProducts } from '../graph/quantize.js';
import type { Precision, TokenDType } from './engine.js';
import { AWAKE_US, type Program, type Runtime } from './runtime.js';

export interface Sessions {
  readonly encode: Readonly<Record<TokenDType, Program>>;
  readonly layOut: Program;
  readonly query: Program;
  readonly attend: Program;
  readonly head: Program;
}

/** Rejects when one of the programs cannot be made; what was made goes with the runtime. */
export async function createSessions(
  runtime: Runtime,
  graphs: EnergyGraphs,
  precision: Precision,
): Promise<Sessions> {
  const encode = (dtype: TokenDType): Promise<Program> =>
    runtime.prepare(encodeGraph(graphs.encode(dtype), precision, runtime), AWAKE_US.LARGE);
  return {
    encode: {
      float32: await encode('float32'),
      float16: await encode('float16'),
      bfloat16: await encode('bfloat16'),
    },
    layOut: await runtime.prepare(graphs.layOut()),
    query: await runtime.prepare(graphs.query()),
    attend: await runtime.prepare(graphs.attend()),
    head: await runtime.prepare(graphs.head()),
  };
}

/** The encode graph as the device runs it best. */
function encodeGraph(graph: Graph, precision: Precision, { device }: Runtime): Graph {
  if (precision === 'int8') return quantizeProducts(graph);
  return device.provider === 'cpu' ? padProducts(graph) : graph;
}

/** Programs that are kept; one is made in some tens of milliseconds for each chunk length, score and window. */
const MOST_PROGRAMS = 4;

/** The programs by what they differentiate, made when they are first asked for, the least lately used given up. */
export class SlopePrograms {
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(
    private readonly runtime: Runtime,
    private readonly graphs: EnergyGraphs,
  ) {}

  async of(wanted: GradientOf): Promise<Program> {
    const key = JSON.stringify([wanted.steps, wanted.score, wanted.window]);
    const known = this.#programs.get(key);
    this.#programs.delete(key);
    const program = known ?? this.runtime.prepare(this.graphs.actionGradient(wanted));
    this.#programs.set(key, program); // now the newest
    program.catch(() => this.#programs.delete(key));
    for (const [oldest, spare] of this.#programs) {
      if (this.#programs.size <= MOST_PROGRAMS) break;
      this.#programs.delete(oldest);
      await (await spare).release();
    }
    return program;
  }
}
