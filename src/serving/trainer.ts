/**
 * TrainStep: one training session at a time, in a thread of its own, within the memory budget. Its weights leave it only as a
 * bundle in the models folder, which Reload serves.
 */
import type { Config } from '../config/schema.js';
import { Fault } from '../errors.js';
import type { ModelCard } from '../model/card.js';
import type { StreamRecipe } from '../training/streamed.js';
import { modelOf } from './admission.js';
import type { MemoryBudget } from './memory-budget.js';
import { modelsFolder } from './model-folders.js';
import type { Scope } from './scope.js';
import { SessionMemory, stateBytes } from './training-memory.js';
import { TrainingSession, type SavePlaces, type TrainingParts } from './training-session.js';
import { TrainingThread } from './training-thread.js';

export interface TrainerOptions extends SavePlaces {
  readonly settings: Config['training'];
  readonly budget: MemoryBudget;
}

export interface TrainingBeginning {
  readonly from: { readonly model: string } | { readonly card: ModelCard };
  /** Without `tau`: that of the card. */
  readonly recipe: Omit<StreamRecipe, 'tau'> & { readonly tau?: number };
}

export class Trainer {
  readonly #options: TrainerOptions;
  #busy = false;

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  static of({ training: settings, models }: Config, budget: MemoryBudget): Trainer {
    const named = new Set(Object.keys(models.named));
    return new Trainer({ settings, budget, modelsFolder: modelsFolder(models), named });
  }

  get idleMs(): number {
    return this.#options.settings.idleMs;
  }

  /** Errors: `precondition` where training is off. */
  checkEnabled(): void {
    if (this.#options.settings.enabled) return;
    throw new Fault('precondition', 'this server does not train', {
      mend: 'Start it with --training, or train with: action-energy train',
    });
  }

  /**
   * Begins a session, which somebody must close. Errors: `precondition` off; `exhausted` another session, or too little memory;
   * `not_found` the model; what its bundle is refused for.
   */
  async begin(
    parts: TrainingParts,
    { from, recipe }: TrainingBeginning,
    scope: Scope,
  ): Promise<TrainingSession> {
    this.checkEnabled();
    const served = 'model' in from ? modelOf(parts, scope, from.model) : undefined;
    const card = 'card' in from ? from.card : served!.card;
    if (this.#busy) {
      throw new Fault('exhausted', 'somebody trains on this server already', {
        field: 'start',
        wanted: 'one session at a time',
        mend: 'Try again when that has ended',
      });
    }
    this.#busy = true;
    const memory = new SessionMemory(this.#options.budget);
    try {
      memory.hold('start', stateBytes(card));
      const { thread, digest } = await TrainingThread.start({
        from: served === undefined ? { card } : { directory: served.directory },
        recipe: { ...recipe, tau: recipe.tau ?? card.tau },
        threads: this.#options.settings.threads,
      });
      const begunFrom = { name: served?.name ?? '', digest };
      const end = (): void => {
        memory.giveBack();
        this.#busy = false;
      };
      return new TrainingSession(this.#options, {
        ...{ parts, scope, card, recipe, thread, memory, end },
        from: begunFrom,
      });
    } catch (error) {
      memory.giveBack();
      this.#busy = false;
      throw error;
    }
  }
}
