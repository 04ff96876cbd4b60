/**
 * A context that the server keeps, and that is sent again when the server has lost it (evicted, lease over, model reloaded):
 * the caller scores and need not know. Its calls have an affinity key of their own, so that a proxy which hashes the key sends them
 * where the context is.
 */
import { randomUUID } from 'node:crypto';
import { Fault } from '../errors.js';
import type { InlineContext } from '../generated/action_energy/v1/InlineContext.js';
import type { ScoreActionsRequest } from '../generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse__Output } from '../generated/action_energy/v1/ScoreActionsResponse.js';
import type { CallSettings } from './call.js';
import type { EnergyClient } from './energy-client.js';

export interface KeepOptions {
  /** Model name; empty: the server's default. */
  readonly model: string;
  /** How long to keep it after its last use; 0: the server's default. */
  readonly leaseMs?: number;
}

export type ScoreBody = Pick<ScoreActionsRequest, 'candidates' | 'options'>;

export class ClientContext {
  readonly #client: EnergyClient;
  readonly #context: InlineContext;
  readonly #options: KeepOptions;
  readonly #affinity = randomUUID();
  #id: string | undefined;

  /** Nothing is sent before the first use. */
  constructor(client: EnergyClient, context: InlineContext, options: KeepOptions) {
    this.#client = client;
    this.#context = context;
    this.#options = options;
  }

  /** On the server; undefined while it is not known to be kept. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Scores by id; the context goes along the first time, and again after it was lost. */
  async score(body: ScoreBody, asked?: CallSettings): Promise<ScoreActionsResponse__Output> {
    const { model, leaseMs = 0 } = this.#options;
    const settings = { affinity: this.#affinity, ...asked };
    if (this.#id !== undefined) {
      const contextId = this.#id;
      try {
        return await this.#client.score({ model, contextId, ...body }, settings);
      } catch (error) {
        this.#forgetLost(error, contextId);
      }
    }
    const options = { ...body.options, keepContext: { leaseMs } };
    const answer = await this.#client.score({ model, inline: this.#context, ...body, options }, settings);
    this.#id = answer.context?.contextId;
    return answer;
  }

  /** Makes `use` with an id that is kept, encoding the context when need be, and once more when it was lost meanwhile. */
  async withId<T>(use: (contextId: string) => Promise<T>, settings?: CallSettings): Promise<T> {
    if (this.#id !== undefined) {
      const contextId = this.#id;
      try {
        return await use(contextId);
      } catch (error) {
        this.#forgetLost(error, contextId);
      }
    }
    const { model, leaseMs = 0 } = this.#options;
    const put = await this.#client.putContext(
      { model, context: this.#context, leaseMs },
      { affinity: this.#affinity, ...settings },
    );
    this.#id = put.context!.contextId;
    return use(this.#id);
  }

  /** Forgets it on the server; one that is gone already is no error. */
  async drop(settings?: CallSettings): Promise<void> {
    const contextId = this.#id;
    if (contextId === undefined) return;
    this.#id = undefined;
    try {
      await this.#client.dropContext(
        { model: this.#options.model, contextId },
        { affinity: this.#affinity, ...settings },
      );
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'not_found') throw error;
    }
  }

  /** Rethrows everything but the loss of the context. */
  #forgetLost(error: unknown, contextId: string): void {
    // an unknown model is NOT_FOUND too, and is again when the context is sent along
    if (!(error instanceof Fault) || error.kind !== 'not_found') throw error;
    if (this.#id === contextId) this.#id = undefined;
  }
}
