/**
 * Encoded contexts that outlive their request. The K,V of a context stay in the engine's worker under a slot (`slots.ts`); this is
 * the book on the calling side: which id stands for which slot, and for how long. Pure: time comes in as an argument, and nothing
 * here talks to the engine. `scheduler.ts` owns one, and reserves and pins through it.
 *
 * - Lease: an entry expires `leaseMs` after its last touch. Committing, acquiring and the end of a use are touches;
 *   while it is in use it does not expire.
 * - Bytes: entries (kept, reserved, and dropped ones still in use) never hold more than `maxBytes`. Room is made by
 *   evicting the least recently touched entry that is not in use, its lease run out or not: a lease bounds how long an
 *   entry stays, it promises nothing. Whose id is lost gets `not_found` and sends the context again.
 * - Shares: the owners that hold something (those without a name are one) have equal shares of the bytes. One that wants room
 *   evicts its own entries and those of owners that hold more than their share; who holds no more than that loses nothing to
 *   others. So one client that keeps contexts without end turns over its own.
 * - Pins: an entry in use by waiting or running work is neither evicted nor released before that work has ended.
 * - Owner: an id answers only to the owner that made it; ids are unguessable besides.
 */
import { randomBytes } from 'node:crypto';
import { Fault } from '../errors.js';
import { IndexedHeap } from './heap.js';
import { Slots } from './slots.js';

/** 128 random bits in hex: nobody guesses another client's context. */
export function randomContextId(): string {
  return randomBytes(16).toString('hex');
}

export interface ContextCacheOptions {
  /** Bound of all entries together; 0 keeps nothing. */
  readonly maxBytes: number;
  /** Longer leases are shortened to this. */
  readonly maxLeaseMs: number;
  /** A fresh unguessable id, e.g. `randomContextId`. */
  readonly newId: () => string;
}

/** A context that can be scored by id. */
export interface KeptContext {
  readonly id: string;
  /** Bytes that it holds in the engine. */
  readonly bytes: number;
  /** Granted lease, milliseconds from the last touch. */
  readonly leaseMs: number;
  /** When it expires unless touched, on the scheduler's monotonic clock. */
  readonly expiresAtMs: number;
}

/** An entry in use: it stays encoded and counts against the bytes; `end` exactly once. */
export interface ContextUse {
  readonly slot: number;
  /** One more use of the same entry. */
  again(): ContextUse;
  /** Ends the use, which touches the entry. Undefined when the entry was dropped meanwhile. */
  end(nowMs: number): KeptContext | undefined;
}

/** Room for a context that is being encoded; one of `commit` and `abandon`, exactly once. */
export interface ContextReservation {
  readonly slot: number;
  /** A use that outlives the reservation. */
  use(): ContextUse;
  /** It is encoded: the id answers from now on. */
  commit(nowMs: number): KeptContext;
  /** It failed or nobody will learn its id: gives room and slot back, once its last use has ended. */
  abandon(): void;
}

export type EvictionReason = 'lru' | 'expired' | 'dropped';

export interface ContextCacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

interface Entry {
  readonly id: string;
  readonly slot: number;
  readonly bytes: number;
  readonly owner: string | undefined;
  readonly leaseMs: number;
  expiresAtMs: number;
  uses: number;
  dropped: boolean;
}

export class ContextCache {
  readonly slots = new Slots();
  readonly #options: ContextCacheOptions;
  /** Entries that answer to their id, least recently touched first. */
  readonly #entries = new Map<string, Entry>();
  /** Entries that are not in use, by expiry. */
  readonly #leases = new IndexedHeap<Entry>((a, b) => a.expiresAtMs < b.expiresAtMs);
  readonly #evictions: Record<EvictionReason, number> = { lru: 0, expired: 0, dropped: 0 };
  /** Bytes by owner, of those that hold any. */
  readonly #held = new Map<string | undefined, number>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: ContextCacheOptions) {
    this.#options = options;
  }

  get stats(): ContextCacheStats {
    return {
      entries: this.#entries.size,
      bytes: this.#bytes,
      hits: this.#hits,
      misses: this.#misses,
      evictions: { ...this.#evictions },
    };
  }

  /** Throws `exhausted` when a context of `bytes` can never be kept here. */
  checkSize(bytes: number): void {
    if (bytes <= this.#options.maxBytes) return;
    throw new Fault('exhausted', 'the context is larger than the whole context cache', {
      field: 'keep',
      found: `${bytes} bytes`,
      wanted: `at most ${this.#options.maxBytes} bytes`,
      mend: 'Score it without keeping it, or raise the cache bound',
    });
  }

  /**
   * Makes room for a context of `bytes`, evicting as needed. Errors: `exhausted` when it is larger than the whole
   * cache, or when what is in use leaves no room.
   */
  reserve(bytes: number, leaseMs: number, owner?: string): ContextReservation {
    this.checkSize(bytes);
    let free = this.#options.maxBytes - this.#bytes;
    const victims: Entry[] = [];
    const held = new Map(this.#held);
    const share = this.#options.maxBytes / (held.size + (held.has(owner) ? 0 : 1));
    for (const entry of free < bytes ? this.#entries.values() : []) {
      const ofOwner = held.get(entry.owner)!;
      if (entry.uses > 0 || (entry.owner !== owner && ofOwner <= share)) continue;
      victims.push(entry);
      held.set(entry.owner, ofOwner - entry.bytes);
      free += entry.bytes;
      if (free >= bytes) break;
    }
    if (free < bytes) {
      throw new Fault(
        'exhausted',
        'the context cache is full of contexts in use and of others within their shares',
        {
          field: 'keep',
          found: `${bytes} bytes wanted, ${free} can be freed`,
          mend: 'Try again when running requests have ended, drop contexts, or raise the cache bound',
        },
      );
    }
    for (const victim of victims) this.#evict(victim, 'lru');
    const entry: Entry = {
      id: this.#options.newId(),
      slot: this.slots.next(),
      bytes,
      owner,
      leaseMs: Math.min(leaseMs, this.#options.maxLeaseMs),
      expiresAtMs: Infinity,
      uses: 1,
      dropped: false,
    };
    this.#bytes += bytes;
    this.#held.set(owner, (this.#held.get(owner) ?? 0) + bytes);
    return {
      slot: entry.slot,
      use: () => this.#use(entry),
      commit: (nowMs) => {
        this.#entries.set(entry.id, entry);
        entry.uses--;
        return this.#touch(entry, nowMs);
      },
      abandon: () => {
        entry.dropped = true;
        entry.uses--;
        if (entry.uses === 0) this.#release(entry);
      },
    };
  }

  /** Takes an entry into use and touches it. Errors: `not_found` naming `field`. */
  acquire(id: string, owner: string | undefined, nowMs: number, field = 'context_id'): ContextUse {
    const entry = this.#find(id, owner, nowMs);
    if (entry === undefined) {
      this.#misses++;
      throw notFound(field);
    }
    this.#hits++;
    const use = this.#use(entry);
    this.#touch(entry, nowMs);
    return use;
  }

  /** Forgets an id at once; its slot goes when its last use has ended. Errors: `not_found`. Returns its bytes. */
  drop(id: string, owner: string | undefined, nowMs: number): number {
    const entry = this.#find(id, owner, nowMs);
    if (entry === undefined) throw notFound('context_id');
    this.#evict(entry, 'dropped');
    return entry.bytes;
  }

  /** Evicts what has outlived its lease. */
  expire(nowMs: number): void {
    for (let entry = this.#leases.peek(); entry !== undefined; entry = this.#leases.peek()) {
      if (entry.expiresAtMs > nowMs) break;
      this.#evict(entry, 'expired');
    }
  }

  /** When the next lease runs out; Infinity when none will. */
  get nextExpiryMs(): number {
    return this.#leases.peek()?.expiresAtMs ?? Infinity;
  }

  #use(entry: Entry): ContextUse {
    entry.uses++;
    return {
      slot: entry.slot,
      again: () => this.#use(entry),
      end: (nowMs) => {
        entry.uses--;
        if (!entry.dropped) return this.#touch(entry, nowMs);
        if (entry.uses === 0) this.#release(entry);
        return undefined;
      },
    };
  }

  #find(id: string, owner: string | undefined, nowMs: number): Entry | undefined {
    this.expire(nowMs);
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.owner === owner ? entry : undefined;
  }

  #touch(entry: Entry, nowMs: number): KeptContext {
    entry.expiresAtMs = nowMs + entry.leaseMs;
    this.#entries.delete(entry.id);
    this.#entries.set(entry.id, entry);
    this.#leases.remove(entry);
    if (entry.uses === 0) this.#leases.push(entry);
    const { id, bytes, leaseMs, expiresAtMs } = entry;
    return { id, bytes, leaseMs, expiresAtMs };
  }

  #evict(entry: Entry, reason: EvictionReason): void {
    this.#evictions[reason]++;
    this.#entries.delete(entry.id);
    this.#leases.remove(entry);
    entry.dropped = true;
    if (entry.uses === 0) this.#release(entry);
  }

  #release(entry: Entry): void {
    this.#bytes -= entry.bytes;
    const left = this.#held.get(entry.owner)! - entry.bytes;
    if (left > 0) this.#held.set(entry.owner, left);
    else this.#held.delete(entry.owner);
    this.slots.release(entry.slot);
  }
}

function notFound(field: string): Fault {
  return new Fault('not_found', 'no context is kept under this id', {
    field,
    mend: 'Send the context again',
  });
}
