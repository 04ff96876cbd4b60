/**
 * The graphs that a model is served by: five, each a thin wrapper of a fragment (`fragments.ts`), and one composed of them that is
 * differentiated by the actions, where a request asks for it. And what the engine needs to know of the tensors between them. Beside
 * its result each of the five yields one sum a row, which is finite exactly when the row is (or sums to more than float32 holds,
 * which is as wrong).
 */
import { gradientsOf } from '../graph/differentiate/gradients.js';
import { Graph } from '../graph/graph.js';
import { add, reshape, sum, mul } from '../graph/ops.js';
import type { ModelCard } from '../model/card.js';
import type { TokenDType } from '../model/context.js';
import type { Score } from '../model/energy.js';
import type { Tensor } from '../tensor/tensor.js';
import { energyFragments } from './architectures.js';
import { contextInputs, type EnergyFragments } from './fragments.js';
import { highestWindow, stepEnergies } from './readout-graph.js';
import { StoredParameters, type StoredMatrix } from './stored-parameters.js';
import { tokenInput } from './tokens.js';

export function energyGraphs(card: ModelCard, weights: ReadonlyMap<string, Tensor>): EnergyGraphs {
  return new EnergyGraphs(card, energyFragments(card, new StoredParameters(weights)));
}

export class EnergyGraphs {
  readonly contextNames: readonly string[];
  readonly contextWidth: number;
  readonly queryWidth: number;
  readonly attendedWidth: number;
  /** For as many steps as were asked for so far: the longest prefix serves all. */
  private positions: StoredMatrix | undefined;

  constructor(
    private readonly card: ModelCard,
    private readonly fragments: EnergyFragments<StoredMatrix>,
  ) {
    this.contextNames = fragments.contextNames;
    this.contextWidth = fragments.contextWidth;
    this.queryWidth = fragments.queryWidth;
    this.attendedWidth = fragments.attendedWidth;
  }

  /** Shape of one `<name>_heads` for T tokens. */
  slotShape(tokens: number): readonly number[] {
    return this.fragments.slotShape(tokens);
  }

  /** Rows that the query graph adds or joins for the steps 0..H-1, [H,h]. */
  queryPositions(steps: number): Float32Array {
    const count = steps * this.card.hidden;
    if (!this.positions || this.positions.values.length < count) {
      this.positions = this.fragments.positions(steps);
    }
    return this.positions.values.subarray(0, count);
  }

  /**
   * `tokens` [T,D] of one or several contexts. Outputs: `contextNames` [T, contextWidth] each; `token_mean` and
   * `token_inverse_std` [T], finite and positive exactly when the token is usable; `row_sum` [T], finite exactly when
   * the result is.
   */
  encode(dtype: TokenDType): Graph {
    const g = new Graph('encode');
    const tokens = tokenInput(g, 'tokens', dtype, ['T', this.card.state_dim]);
    const { matrices, input } = this.fragments.encode(g, tokens);
    for (const [index, name] of this.contextNames.entries()) g.output(name, matrices[index]!);
    g.output('token_mean', reshape(g, input.mean, [-1]));
    g.output('token_inverse_std', reshape(g, input.inverseStd, [-1]));
    const sums = matrices.map((matrix) => sum(g, matrix, [1]));
    g.output(
      'row_sum',
      sums.reduce((all, next) => add(g, all, next)),
    );
    return g;
  }

  /** `contextNames` of one context [T, contextWidth]; outputs `<name>_heads`, the layout that `attend` reads. */
  layOut(): Graph {
    const g = new Graph('lay_out');
    for (const name of this.contextNames) {
      const matrix = g.input(name, 'float32', ['T', this.contextWidth]);
      g.output(`${name}_heads`, this.fragments.layOut(g, matrix));
    }
    return g;
  }

  /** `actions` [G,H,A], `positions` [H,h]; outputs `query` [G*H, queryWidth] and `row_sum` [G*H]. */
  query(): Graph {
    const g = new Graph('query');
    const actions = g.input('actions', 'float32', ['G', 'H', this.card.action_dim]);
    const positions = g.input('positions', 'float32', ['H', this.card.hidden]);
    const query = reshape(g, this.fragments.query(g, actions, positions), [-1, this.queryWidth]);
    g.output('query', query);
    g.output('row_sum', sum(g, query, [1]));
    return g;
  }

  /** `query` [Q, queryWidth] and one context's `<name>_heads`; output `attended` [Q, attendedWidth]. */
  attend(): Graph {
    const g = new Graph('attend');
    const query = g.input('query', 'float32', ['Q', this.queryWidth]);
    g.output('attended', this.fragments.attend(g, query, contextInputs(g, this.fragments)));
    return g;
  }

  /** `attended` [Q, attendedWidth]; outputs `raw` [Q] and `row_sum` [Q]. */
  head(): Graph {
    const g = new Graph('head');
    const { raw, watched } = this.fragments.head(
      g,
      g.input('attended', 'float32', ['Q', this.attendedWidth]),
    );
    g.output('raw', raw);
    g.output('row_sum', sum(g, watched, [1]));
    return g;
  }

  /** dE/dA of G chunks, see `actionGradientGraph`. */
  actionGradient(of: GradientOf): Graph {
    return actionGradientGraph(this.card, this.fragments, of);
  }
}

export interface GradientOf {
  /** H, fixed in the graph. */
  readonly steps: number;
  readonly score: Score;
  /** Window of a windowed maximum; absent: a weighted sum, whose weights are an input. */
  readonly window?: number;
}

/**
 * The gradient of energies by the actions, dE/dA, for one encoded context and G chunks. Each energy depends on its own chunk alone,
 * so the gradient of their sum is the gradient of each.
 *
 * Inputs: `actions` [G, H, A], `positions` [H, h], one context's `<name>_heads`, and without a window `pool` [H]. Output:
 * `slope` [G, H, A].
 */
export function actionGradientGraph(
  card: ModelCard,
  fragments: EnergyFragments,
  { steps, score, window }: GradientOf,
): Graph {
  const g = new Graph('action_gradient');
  const actions = g.input('actions', 'float32', ['G', steps, card.action_dim]);
  const positions = g.input('positions', 'float32', [steps, card.hidden]);
  const query = reshape(g, fragments.query(g, actions, positions), [-1, fragments.queryWidth]); // [G*H, w]
  const { raw } = fragments.head(g, fragments.attend(g, query, contextInputs(g, fragments)));
  const values = reshape(g, raw, [-1, steps]); // [G, H]
  const stepValues = score === 'logit' ? values : stepEnergies(g, card, values);
  const energies =
    window === undefined
      ? sum(g, mul(g, stepValues, g.input('pool', 'float32', [steps])), [1])
      : highestWindow(g, stepValues, window);
  const [slope] = gradientsOf(g, sum(g, energies, [0]), [actions]);
  g.output('slope', slope!);
  return g;
}
