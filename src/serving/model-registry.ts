/**
 * The served models by name. Reloading starts the new one beside the old, swaps, and lets the old one finish, so that no
 * request fails. Invariant: what `get` returns accepts work until this turn of the event loop ends, so a caller that
 * submits without awaiting in between never meets a model that was swapped away.
 */
import type { Logger } from 'pino';
import type { Calibration } from '../calibration/calibration-schema.js';
import { Fault, toFault } from '../errors.js';
import type { Metrics } from '../metrics/metrics.js';
import { defaultModel } from './model-folders.js';
import { stopModel, type ServedModel } from './served-model.js';

export type ModelState = 'LOADING' | 'READY' | 'FAILED' | 'DRAINING';

export interface RegistryOptions {
  /** Folders by model name as they are now. */
  readonly folders: () => Promise<ReadonlyMap<string, string>>;
  /** Given up when `signal` aborts. */
  readonly start: (name: string, directory: string, signal: AbortSignal) => Promise<ServedModel>;
  /** What an empty name means; without it `defaultModel` decides. */
  readonly defaultName: string | undefined;
  /** How long a model that was swapped away may take to finish. */
  readonly drainMs: number;
  readonly metrics: Pick<Metrics, 'reloads' | 'modelInfo'>;
  readonly log: Logger;
  /** After every change of any model's state. */
  readonly onChange: () => void;
}

interface Entry {
  readonly name: string;
  state: ModelState;
  /** Absent while it loads for the first time. */
  model?: ServedModel;
}

export class ModelRegistry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #retiring = new Set<Promise<void>>();
  /** Models that are being loaded, with the calibration that was made meanwhile: the load may have read the one before. */
  readonly #loading = new Map<string, { calibration?: Calibration; readonly ended: Promise<void> }>();
  /** Aborted when the registry is closed. */
  readonly #closed = new AbortController();
  #defaultName = '';
  /** Resolves with the cause when the engine of a served model dies. */
  readonly failed: Promise<Fault>;
  #fail!: (fault: Fault) => void;

  private constructor(options: RegistryOptions) {
    this.#options = options;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
  }

  /** Resolves when every model is warm; leaves nothing behind when one cannot be started. */
  static async start(options: RegistryOptions): Promise<ModelRegistry> {
    const registry = new ModelRegistry(options);
    const folders = await options.folders();
    const defaultName = defaultModel(folders, options.defaultName);
    if (!folders.has(defaultName)) {
      throw new Fault('invalid', 'no such model', {
        field: 'models.default',
        found: defaultName,
        wanted: [...folders.keys()].join(', '),
      });
    }
    registry.#defaultName = defaultName;
    try {
      for (const [name, folder] of folders) await registry.#load(name, folder);
    } catch (error) {
      await registry.close(0);
      throw error;
    }
    return registry;
  }

  get defaultName(): string {
    return this.#defaultName;
  }

  get models(): readonly ServedModel[] {
    return [...this.#entries.values()].flatMap(({ model }) => (model === undefined ? [] : [model]));
  }

  get states(): readonly {
    readonly name: string;
    readonly state: ModelState;
    readonly model?: ServedModel;
  }[] {
    return [...this.#entries.values()];
  }

  /** Memory of the kept contexts of all models. */
  get keptBytes(): number {
    let bytes = 0;
    for (const { model } of this.#entries.values()) bytes += model?.cache.stats.bytes ?? 0;
    return bytes;
  }

  /** Errors: `not_found` an unknown name, `precondition` one that is still loading. */
  get(name: string): ServedModel {
    const entry = this.#entries.get(name === '' ? this.#defaultName : name);
    if (entry === undefined) {
      throw new Fault('not_found', 'no such model', {
        field: 'model',
        found: name,
        wanted: [...this.#entries.keys()].join(', '),
      });
    }
    if (entry.model === undefined) {
      throw new Fault('precondition', 'the model is still loading', { field: 'model', found: entry.name });
    }
    return entry.model;
  }

  /**
   * Reads one model again, or with an empty name all of them and any that are new, each by itself: one that cannot be
   * loaded, also because its folder is gone, keeps its old version and is named in the error, the others are loaded. Errors:
   * `not_found`, `precondition` when one is being loaded, and whatever the bundle or engine refuses.
   */
  async reload(name: string): Promise<ServedModel[]> {
    const folders = await this.#options.folders();
    const known = new Set([...folders.keys(), ...this.#entries.keys()]);
    if (name !== '' && !known.has(name)) {
      throw new Fault('not_found', 'no such model', {
        field: 'model',
        found: name,
        wanted: [...folders.keys()].join(', '),
      });
    }
    const reloaded: ServedModel[] = [];
    const failures: Fault[] = [];
    for (const each of name === '' ? known : [name]) {
      try {
        reloaded.push(await this.#load(each, folders.get(each)));
      } catch (error) {
        const fault = toFault(error);
        this.#options.log.error(
          { model: each, err: fault },
          'a model was not loaded again; its old version goes on',
        );
        if (name !== '') throw fault;
        failures.push(new Fault(fault.kind, `${each}: ${fault.message}`, { cause: fault }));
      }
    }
    const [first] = failures;
    if (first === undefined) return reloaded;
    throw new Fault(first.kind, `not loaded again: ${failures.map(({ message }) => message).join('; ')}`, {
      mend: 'The others were loaded; the old versions of these go on',
      cause: first,
    });
  }

  /**
   * Puts a calibration that has just been kept in force, also on a model that is being loaded from the same weights.
   * Returns what serves now. Errors: `not_found`, `precondition`.
   */
  applyCalibration(name: string, calibration: Calibration): ServedModel {
    const model = this.get(name);
    applyIfMade(model, calibration);
    const loading = this.#loading.get(name);
    if (loading !== undefined) loading.calibration = calibration;
    return model;
  }

  /** `folder`: undefined when there is none any more. */
  async #load(name: string, folder: string | undefined): Promise<ServedModel> {
    const { log, metrics, onChange } = this.#options;
    if (this.#loading.has(name))
      throw new Fault('precondition', 'the model is being loaded already', { field: 'model', found: name });
    const { signal } = this.#closed;
    if (signal.aborted) throw stopping();
    let end = (): void => undefined;
    const loading: { calibration?: Calibration; readonly ended: Promise<void> } = {
      ended: new Promise((resolve) => (end = resolve)),
    };
    this.#loading.set(name, loading);
    const entry = this.#entries.get(name) ?? { name, state: 'LOADING' };
    this.#entries.set(name, entry);
    onChange();
    try {
      if (folder === undefined) throw folderGone(entry);
      const model = await this.#options.start(name, folder, signal);
      if (signal.aborted) {
        await stopModel(model, 0);
        throw stopping();
      }
      applyIfMade(model, loading.calibration);
      this.#swap(entry, model);
      metrics.reloads.inc({ model: name, outcome: 'loaded' });
      const { provider, refused, threads } = model.engine.info;
      const { verdict } = model.calibration.current ?? {};
      log.info(
        { model: name, digest: model.version.digest, provider, refused, threads, verdict },
        'model ready',
      );
      return model;
    } catch (error) {
      metrics.reloads.inc({ model: name, outcome: 'failed' });
      if (entry.model === undefined) this.#entries.delete(name);
      throw error;
    } finally {
      this.#loading.delete(name);
      onChange();
      end();
    }
  }

  #swap(entry: Entry, model: ServedModel): void {
    const old = entry.model;
    const info = (of: ServedModel): Record<'model' | 'digest' | 'architecture' | 'provider', string> => ({
      model: entry.name,
      digest: of.version.digest,
      architecture: of.card.architecture,
      provider: of.engine.info.provider,
    });
    if (old !== undefined) this.#options.metrics.modelInfo.remove(info(old));
    this.#options.metrics.modelInfo.set(info(model), 1);
    entry.model = model;
    entry.state = 'READY';
    void model.engine.failed.then((fault) => this.#engineDied(entry, model, fault));
    if (old !== undefined) this.#retire(old, this.#options.drainMs);
  }

  /**
   * Its scheduler has ended what waited and what ran as `unavailable`. The model is FAILED, health says NOT_SERVING, and the process
   * ends with exit code 1, `lifecycle.crashExitMs` later (`cli/serve.ts`, which waits for `failed`): its supervisor starts it again.
   */
  #engineDied(entry: Entry, model: ServedModel, fault: Fault): void {
    if (entry.model !== model) return; // one that was swapped away has nothing to serve any more
    entry.state = 'FAILED';
    this.#options.log.fatal({ model: entry.name, err: fault }, 'the engine failed');
    this.#options.onChange();
    this.#fail(fault);
  }

  #retire(model: ServedModel, boundMs: number): void {
    const retiring = stopModel(model, boundMs)
      .catch((error: unknown) =>
        this.#options.log.error({ model: model.name, err: toFault(error) }, 'a model did not stop'),
      )
      .finally(() => this.#retiring.delete(retiring));
    this.#retiring.add(retiring);
  }

  /**
   * Every model refuses new work from here on. Resolves when what was accepted is done, or after `boundMs`, the engines have
   * stopped, and what was being loaded is given up: not before, so that a caller who sees it hang knows that something does.
   */
  async close(boundMs: number): Promise<void> {
    this.#closed.abort(stopping());
    for (const entry of this.#entries.values()) {
      if (entry.state === 'READY') entry.state = 'DRAINING';
      if (entry.model !== undefined) this.#retire(entry.model, boundMs);
    }
    this.#options.onChange();
    await Promise.all([...this.#loading.values()].map(({ ended }) => ended));
    await Promise.all(this.#retiring);
  }
}

function stopping(): Fault {
  return new Fault('unavailable', 'the server is stopping');
}

function folderGone({ name, model }: Entry): Fault {
  return new Fault('not_found', 'its folder is gone', {
    field: name,
    found: `no bundle in ${model?.directory ?? 'it'} any more`,
    mend: 'Put it back, or start the server again without it',
  });
}

/** Only where it was made for these weights. */
function applyIfMade(model: ServedModel, calibration: Calibration | undefined): void {
  if (calibration?.model.weights_digest === model.version.digest) model.calibration.apply(calibration);
}
