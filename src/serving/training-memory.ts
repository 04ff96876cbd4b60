/** What a training session takes of memory, estimated from sizes and taken from the budget before anything is allocated. */
import type { ShardLayout } from '../calibration/data/layout.js';
import { Fault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import { expectedParameters } from '../model/parameters.js';
import type { TrainedLoss } from '../training/recipe.js';
import type { MemoryBudget } from './memory-budget.js';

const FLOAT_BYTES = 4;
/** As read, as trained, gradients, those of a part and those that are gathered, two moments, a bundle on its way out. */
const COPIES = 8;
/**
 * Of a token: its state by row, in the batch, widened, normalised and turned over; its row in each layer of the encoder, forwards
 * and backwards. With what a step of a chunk takes, 160 MiB for B 16, S 128, D 1024, h 256, H 8; 164 were seen.
 */
const STATE_ROWS = 5;
const TOKEN_ROWS = 16;
/** Of a step of a chunk in a context: its row in attention and head, forwards and backwards. */
const STEP_ROWS = 40;
/** Second order keeps the first one's rows and makes as many again, twice. */
const SECOND_ORDER = 3;

/** Negatives that are made of an expert's chunk, the policy's own and a layer's with noise: about. */
const MADE = 24;

/** Numbers of a model. */
export function parameterCount(card: ModelCard): number {
  let count = 0;
  for (const shape of expectedParameters(card).values()) {
    count += shape.reduce((product, size) => product * size, 1);
  }
  return count;
}

/** Of weights and optimiser. */
export function stateBytes(card: ModelCard): number {
  return COPIES * FLOAT_BYTES * parameterCount(card);
}

/** Of a step on a batch. `tokens`: of all its contexts, as they are sent. */
export function stepBytes(
  { state_dim: D, hidden: h }: ModelCard,
  { rows: B, steps: H, explicit, layers, candidates }: ShardLayout,
  tokens: number,
  kinds: readonly TrainedLoss[],
): number {
  const negatives = MADE + explicit + layers + candidates;
  const chunks =
    (kinds.some((kind) => kind === 'swap' || kind === 'margin') ? B : 1) +
    (kinds.some((kind) => kind === 'explicit' || kind === 'hinge') ? negatives : 0) +
    (kinds.some((kind) => kind === 'rank' || kind === 'listwise') ? candidates : 0);
  const numbers = tokens * (STATE_ROWS * D + TOKEN_ROWS * h) + B * chunks * H * STEP_ROWS * h;
  return FLOAT_BYTES * numbers * (kinds.includes('alignment') ? SECOND_ORDER : 1);
}

/** What a session holds of the budget: as much as its largest step needed. */
export class SessionMemory {
  readonly #budget: MemoryBudget;
  readonly #taken: (() => void)[] = [];
  #bytes = 0;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Errors: `exhausted`. */
  hold(field: string, bytes: number): void {
    if (bytes <= this.#bytes) return;
    const giveBack = this.#budget.take('training', bytes - this.#bytes);
    if (giveBack === undefined) {
      throw new Fault('exhausted', 'training would take more memory than there is for it', {
        field,
        found: `about ${Math.ceil(bytes / 1024 ** 2)} MiB`,
        wanted: `at most ${Math.floor(this.#budget.trainingLimit / 1024 ** 2)} MiB, half of --memory-bytes, of what is free`,
        mend: 'Send fewer rows or tokens at once and accumulate, or give the server more memory',
      });
    }
    this.#taken.push(giveBack);
    this.#bytes = bytes;
  }

  giveBack(): void {
    for (const giveBack of this.#taken.splice(0)) giveBack();
  }
}
