/** One training session: batches to its thread, bundles from it into the models folder. */
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import { systemClock } from '../batching/clock.js';
import { shardLayout } from '../calibration/data/layout.js';
import { Fault, invalid } from '../errors.js';
import { CARD_FILE, type ModelCard } from '../model/card.js';
import { refuse } from '../model/problems.js';
import type { Tensor } from '../tensor/tensor.js';
import type { StreamedReport, StreamRecipe } from '../training/streamed.js';
import type { ServingParts } from './admission.js';
import { spaceOf, wantedBytes } from './disk-space.js';
import type { Scope } from './scope.js';
import { parameterCount, stateBytes, stepBytes, type SessionMemory } from './training-memory.js';
import type { TrainingThread } from './training-thread.js';

export type TrainingParts = Pick<ServingParts, 'models' | 'metrics'> & { readonly log: Logger };

/** Where bundles may be saved. */
export interface SavePlaces {
  /** Undefined where only single bundles are served. */
  readonly modelsFolder: string | undefined;
  /** Names that belong to bundles elsewhere. */
  readonly named: ReadonlySet<string>;
}

export interface SessionParts {
  readonly parts: TrainingParts;
  readonly scope: Scope;
  readonly card: ModelCard;
  readonly recipe: Pick<StreamRecipe, 'losses'>;
  /** Name and digest of the bundle that it began with; empty for a new model. */
  readonly from: { readonly name: string; readonly digest: string };
  readonly thread: TrainingThread;
  readonly memory: SessionMemory;
  readonly end: () => void;
}

export class TrainingSession {
  readonly #places: SavePlaces;
  readonly #session: SessionParts;
  readonly #startMs = systemClock.nowMs();
  #steps = 0;
  #closing: Promise<void> | undefined;

  constructor(places: SavePlaces, session: SessionParts) {
    this.#places = places;
    this.#session = session;
  }

  get from(): SessionParts['from'] {
    return this.#session.from;
  }

  get parameters(): number {
    return parameterCount(this.#session.card);
  }

  /** One step. `transfer`: memory of the columns that is given away. Errors: those of `StreamedTraining.learn`; `exhausted`. */
  async learn(
    columns: ReadonlyMap<string, Tensor>,
    transfer: readonly ArrayBuffer[],
  ): Promise<StreamedReport> {
    const { card, recipe, memory, thread, parts } = this.#session;
    const startMs = systemClock.nowMs();
    let outcome = 'refused';
    try {
      const { layout, problems } = shardLayout({ name: 'rows', header: columns }, card);
      refuse('rows', problems);
      if (layout.rows < 2) {
        throw invalid('rows.actions', 'no batch', {
          found: '1 row',
          wanted: 'at least 2: they are told apart',
        });
      }
      const { shape } = columns.get('hidden')!;
      const tokens = layout.ragged || shape.length === 2 ? shape[0]! : shape[0]! * shape[1]!;
      const kinds = recipe.losses.map(({ kind }) => kind);
      memory.hold('rows', stateBytes(card) + stepBytes(card, layout, tokens, kinds));
      const report = await thread.learn(columns, transfer);
      this.#steps = report.step;
      outcome = report.update === undefined ? 'gathered' : 'updated';
      parts.metrics.trainStepSeconds.observe((systemClock.nowMs() - startMs) / 1000);
      parts.metrics.trainStepLoss.set(report.loss);
      return report;
    } finally {
      parts.metrics.trainSteps.inc({ outcome });
    }
  }

  /**
   * Writes a bundle into the models folder. Errors: `invalid` the name; `precondition` no such folder, a bundle that is there and
   * is not to be replaced, what cannot be written; `exhausted` a disk that is nearly full.
   */
  async save(
    name: string,
    replace: boolean,
  ): Promise<{ readonly digest: string; readonly step: number; readonly name: string }> {
    const { thread, card, scope, parts } = this.#session;
    const directory = await this.#placeOf(name, replace, 4 * parameterCount(card));
    const { digest, step } = await thread.save(directory, name, replace);
    const { requestId, caller } = scope;
    parts.log.info(
      { model: name, digest, step, requestId, client: caller.client },
      'a trained model was saved',
    );
    return { digest, step, name };
  }

  async #placeOf(name: string, replace: boolean, bytes: number): Promise<string> {
    const { modelsFolder, named } = this.#places;
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) {
      throw invalid('save.name', 'not a name of a model', {
        found: JSON.stringify(name.slice(0, 160)),
        wanted: 'letters, digits, `.`, `_`, `-`, at most 128, not a `.` first',
      });
    }
    if (modelsFolder === undefined || named.has(name)) {
      const summary = modelsFolder === undefined ? 'there is no models folder' : 'this bundle lies elsewhere';
      throw new Fault('precondition', summary, {
        field: 'save.name',
        found: modelsFolder === undefined ? 'single bundles alone are served' : `--model ${name}=FOLDER`,
        mend:
          modelsFolder === undefined ? 'Start the server with --models FOLDER' : 'Save under another name',
      });
    }
    const directory = path.join(modelsFolder, name);
    if (!replace && (await exists(path.join(directory, CARD_FILE)))) {
      throw new Fault('precondition', 'a bundle of that name is there', {
        field: 'save.name',
        found: name,
        mend: 'Save under another name, or say `replace`',
      });
    }
    const space = await spaceOf(modelsFolder).catch((cause: unknown) => {
      const { message: found } = cause as Error;
      throw new Fault('precondition', 'the models folder cannot be read', { field: 'models', found, cause });
    });
    if (space.freeBytes < wantedBytes(space, bytes)) {
      throw new Fault('exhausted', 'no room for a bundle', {
        field: 'save',
        found: `${space.freeBytes} bytes free`,
        wanted: `${wantedBytes(space, bytes)}`,
        mend: 'Make room in the models folder',
      });
    }
    return directory;
  }

  /** Ends the thread and gives all memory back. `fault`: why, where the client did not end it by itself. Idempotent. */
  close(fault?: Fault): Promise<void> {
    this.#closing ??= this.#close(fault);
    return this.#closing;
  }

  async #close(fault: Fault | undefined): Promise<void> {
    const { thread, end, parts, scope, from } = this.#session;
    await thread.close();
    end();
    const outcome = fault === undefined ? 'done' : (OUTCOMES[fault.kind] ?? 'ended');
    parts.metrics.trainingSessions.inc({ outcome });
    const { requestId, caller } = scope;
    const ms = Math.round(systemClock.nowMs() - this.#startMs);
    const line = { from: from.name, requestId, client: caller.client, steps: this.#steps, ms, outcome };
    parts.log.info({ ...line, ...(fault && { fault: fault.message }) }, 'training ended');
  }
}

/** Everything else is the stream's own end: silence, or a message that was none. */
const OUTCOMES: Partial<Record<Fault['kind'], string>> = {
  internal: 'failed',
  cancelled: 'cancelled',
  unavailable: 'cancelled',
};

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
