/** What one work holds of encoded contexts, between its request and the cache's book. */
import type { EncodeItem } from '../engine/engine.js';
import { toFault, type Fault } from '../errors.js';
import type { ContextCache, ContextReservation, ContextUse, KeptContext } from './context-cache.js';
import type { SlotHold } from './slots.js';
import { visibleTokens, type HeldContext, type Work } from './work.js';

/** A context of the work that has a slot. */
interface Encoded {
  readonly slot: number;
  readonly use?: ContextUse;
  readonly reservation?: ContextReservation;
  readonly hold?: SlotHold;
  readonly pin?: ContextUse;
  /** The slot ends with the work: nobody else knows of it. */
  transient: boolean;
}

/**
 * What one work holds of encoded contexts, from its submission to its end: uses of kept ones, slots and reservations of
 * those that it encodes, holds and pins. One of `settle` and `abandon` ends it; both give everything back but what is handed on.
 */
export class JobContexts {
  readonly #work: Work;
  readonly #cache: ContextCache;
  readonly #encoded: (Encoded | undefined)[];
  #keepRefused: Fault | undefined;
  #ended = false;

  /** Takes the kept contexts into use. Errors: `not_found`; nothing is held then. */
  constructor(work: Work, cache: ContextCache, nowMs: number) {
    this.#work = work;
    this.#cache = cache;
    this.#encoded = [];
    try {
      for (const [i, context] of work.contexts.entries()) {
        const field = work.contexts.length === 1 ? 'context_id' : `contexts[${i}].context_id`;
        if (context.kind === 'inline') this.#encoded.push(undefined);
        else if (context.kind === 'held')
          this.#encoded.push(this.#known({ slot: context.held.slot, transient: false }));
        else {
          const use = cache.acquire(context.id, work.owner, nowMs, field);
          this.#encoded.push(this.#known({ slot: use.slot, use, transient: false }));
        }
      }
    } catch (error) {
      this.abandon(nowMs);
      throw error;
    }
  }

  /** Why a context could not be kept, the first such. */
  get keepRefused(): Fault | undefined {
    return this.#keepRefused;
  }

  /**
   * Gives an inline context its slot. Undefined when it only wanted to be kept and there is no room (`keepRefused`): it is
   * not to be encoded.
   */
  encode(index: number, bytesPerToken: number): EncodeItem | undefined {
    const context = this.#work.contexts[index]!;
    if (context.kind !== 'inline') throw new TypeError(`context ${index} is encoded`);
    const reservation = this.#reserve(index, bytesPerToken);
    if (reservation === undefined && this.#keepRefused !== undefined && this.#work.task.kind === 'encode') {
      return undefined;
    }
    const slot = reservation?.slot ?? this.#cache.slots.next();
    this.#encoded[index] = this.#known({
      slot,
      ...(reservation && { reservation }),
      transient: reservation === undefined,
    });
    return { ...context.encode, slot };
  }

  slot(index: number): number {
    return this.#encoded[index]!.slot;
  }

  /** The engine is told to forget the context after the batch at hand, unless somebody else keeps or holds it. */
  finish(index: number): void {
    const encoded = this.#encoded[index]!;
    if (!encoded.transient) return;
    encoded.transient = false;
    this.#cache.slots.release(encoded.slot);
  }

  /** The work succeeded: what was to be kept is, and what is held goes to the caller. */
  settle(nowMs: number): {
    readonly kept: (KeptContext | undefined)[];
    readonly held: HeldContext[];
    readonly pinned?: HeldContext[];
  } {
    this.#ended = true;
    const kept = this.#encoded.map(
      (encoded, index) => encoded?.use?.end(nowMs) ?? this.#settleReservation(index, nowMs),
    );
    const held = this.#encoded.flatMap((encoded) => (encoded?.hold ? [encoded.hold] : []));
    const pinned = this.#encoded.flatMap((encoded) => (encoded?.pin ? [encoded.pin] : []));
    if (this.#work.pin === true && pinned.length === this.#encoded.length) return { kept, held, pinned };
    for (const pin of pinned) pin.end(nowMs);
    return { kept, held };
  }

  /** A context that was to be kept is; of one that was only pinned nobody learns the id. */
  #settleReservation(index: number, nowMs: number): KeptContext | undefined {
    const reservation = this.#encoded[index]?.reservation;
    const context = this.#work.contexts[index]!;
    if (context.kind === 'inline' && context.keep) return reservation?.commit(nowMs);
    reservation?.abandon();
    return undefined;
  }

  /** The work came to nothing. Does nothing a second time. */
  abandon(nowMs: number): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const encoded of this.#encoded) {
      encoded?.use?.end(nowMs);
      encoded?.reservation?.abandon();
      encoded?.hold?.end();
      encoded?.pin?.end(nowMs);
      if (encoded?.transient) this.#cache.slots.release(encoded.slot);
    }
  }

  #known(encoded: Encoded): Encoded {
    const { hold, pin } = this.#work;
    const used = pin === true ? (encoded.use?.again() ?? encoded.reservation?.use()) : undefined;
    return {
      ...encoded,
      ...(hold === true && { hold: this.#cache.slots.hold(encoded.slot) }),
      ...(used && { pin: used }),
    };
  }

  #reserve(index: number, bytesPerToken: number): ContextReservation | undefined {
    const context = this.#work.contexts[index]!;
    if (context.kind !== 'inline' || (context.keep === undefined && this.#work.pin !== true))
      return undefined;
    try {
      const bytes = visibleTokens(context.encode) * bytesPerToken;
      return this.#cache.reserve(bytes, context.keep?.leaseMs ?? 0, this.#work.owner);
    } catch (error) {
      this.#keepRefused ??= toFault(error);
      return undefined;
    }
  }
}
