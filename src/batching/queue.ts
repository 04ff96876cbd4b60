/**
 * The waiting line: bounded, earliest deadline first, fair between clients. Pure: time comes in as an argument.
 *
 * Policy. Every client is charged `costOf(size)` for what is taken, and stands in round `floor(charge / quantum)`.
 * The next item comes from the lowest round; within a round, from the client whose first item has the earliest
 * deadline; within a client, earliest deadline first. A client that arrives joins the round in progress with
 * a fresh quantum; one that was served in it and returns finds its charge again. So clients that ask for little are
 * served by deadline alone, and a client that floods is served between the others.
 *
 * Invariants:
 * - An item that was pushed leaves once: by `take`, `remove` or `takeExpired`. `takePiece` takes a part of it; the item
 *   waits on, within the bounds as before, and its client is charged for the part.
 * - `count <= maxItems`, `bytes <= maxBytes`, and no client that has items waiting is let in further beyond
 *   `clientShare` of either, so that one client alone cannot have the others refused.
 * - Of one client's items the one with the earliest deadline is taken; equal deadlines in order of arrival. An item
 *   without a deadline stands as if it had one of `patienceMs` after its arrival: later arrivals cannot pass it for ever.
 *   Between its pieces it lets those pass that have arrived meanwhile, for `patienceMs` at most.
 * - While two clients both have items waiting, what they are charged differs by at most `2 * (quantum + largest cost)`
 *   over any time, however much either of them asks for.
 * - A round ends: after `maxItems` items were taken in it, clients that arrive join the next one.
 */
import { IndexedHeap } from './heap.js';
import { NO_WORK, addSize, costOf, subtractSize, type WorkSize } from './size.js';

export interface QueueItem {
  /** Fairness key. */
  readonly client: string;
  /** On the scheduler's clock; Infinity when none. */
  readonly deadlineMs: number;
  /** Memory held while it waits. */
  readonly bytes: number;
  readonly size: WorkSize;
}

export interface QueueBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
  /** Share of either bound that one client may hold, in (0, 1]. */
  readonly clientShare: number;
  /** Cost (tokens + steps) that a client may have taken in a round. */
  readonly quantum: number;
  /** Where an item without a deadline stands: this long after its arrival. */
  readonly patienceMs: number;
}

/** Why a push was refused. */
export type QueueRefusal = 'queue_full' | 'queue_bytes' | 'client_share';

interface Node<T> {
  readonly item: T;
  readonly client: ClientLine<T>;
  readonly arrivedMs: number;
  /** The deadline that orders it. */
  orderMs: number;
  arrival: number;
  /** What is left of it. */
  size: WorkSize;
}

interface ClientLine<T> {
  readonly name: string;
  readonly nodes: IndexedHeap<Node<T>>;
  charge: number;
  bytes: number;
}

function earlier<T>(a: Node<T>, b: Node<T>): boolean {
  return a.orderMs < b.orderMs || (a.orderMs === b.orderMs && a.arrival < b.arrival);
}

export class FairDeadlineQueue<T extends QueueItem> {
  readonly #bounds: QueueBounds;
  readonly #nodes = new Map<T, Node<T>>();
  /** Clients with something waiting. */
  readonly #lines = new Map<string, ClientLine<T>>();
  readonly #order: IndexedHeap<ClientLine<T>>;
  /** Items with a deadline, for expiry. */
  readonly #deadlines = new IndexedHeap<Node<T>>(
    (a, b) =>
      a.item.deadlineMs < b.item.deadlineMs ||
      (a.item.deadlineMs === b.item.deadlineMs && a.arrival < b.arrival),
  );
  /** Charges of clients that have nothing waiting but were served ahead of the round; at most `maxItems`. */
  readonly #absent = new Map<string, number>();
  #round = 0;
  #takenInRound = 0;
  #arrivals = 0;
  #bytes = 0;
  #size = NO_WORK;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
    this.#order = new IndexedHeap((a, b) => {
      const roundA = this.#roundOf(a.charge);
      const roundB = this.#roundOf(b.charge);
      return roundA < roundB || (roundA === roundB && earlier(a.nodes.peek()!, b.nodes.peek()!));
    });
  }

  get count(): number {
    return this.#nodes.size;
  }

  /** Bytes of all waiting items. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sum of the sizes of all waiting items. */
  get size(): WorkSize {
    return this.#size;
  }

  /** Earliest deadline that waits; Infinity when none. */
  get nextDeadlineMs(): number {
    return this.#deadlines.peek()?.item.deadlineMs ?? Infinity;
  }

  /** The bound that refuses an item of this client with this much memory now; undefined when there is room. O(1). */
  refusal({ client, bytes }: Pick<T, 'client' | 'bytes'>): QueueRefusal | undefined {
    const { maxItems, maxBytes, clientShare } = this.#bounds;
    if (this.count + 1 > maxItems) return 'queue_full';
    if (this.#bytes + bytes > maxBytes) return 'queue_bytes';
    const held = this.#lines.get(client);
    // a client's first item is let in whatever its size: the share keeps room for others, it forbids nothing
    if (held === undefined) return undefined;
    if (held.nodes.size + 1 > maxItems * clientShare) return 'client_share';
    if (held.bytes + bytes > maxBytes * clientShare) return 'client_share';
    return undefined;
  }

  /** Adds an item, or says which bound refuses it and leaves the queue as it was. O(log n). */
  push(item: T, nowMs: number): QueueRefusal | undefined {
    const refusal = this.refusal(item);
    if (refusal !== undefined) return refusal;
    const held = this.#lines.get(item.client);
    const client = held ?? this.#arrive(item.client);
    const orderMs = item.deadlineMs === Infinity ? nowMs + this.#bounds.patienceMs : item.deadlineMs;
    const { size } = item;
    const node: Node<T> = { item, client, arrivedMs: nowMs, orderMs, arrival: this.#arrivals++, size };
    this.#nodes.set(item, node);
    client.nodes.push(node);
    client.bytes += item.bytes;
    if (held === undefined) this.#order.push(client);
    else this.#order.update(client);
    if (item.deadlineMs !== Infinity) this.#deadlines.push(node);
    this.#bytes += item.bytes;
    this.#size = addSize(this.#size, size);
    return undefined;
  }

  /** The item that `take` would return. O(1). */
  peek(): T | undefined {
    return this.#order.peek()?.nodes.peek()?.item;
  }

  /** Takes the next item and charges its client. O(log n). */
  take(): T | undefined {
    const client = this.#order.peek();
    const item = client?.nodes.peek()?.item;
    if (client === undefined || item === undefined) return undefined;
    this.#charge(client, this.#nodes.get(item)!.size);
    this.remove(item);
    return item;
  }

  /** Takes a piece of the next item, smaller than the item, and charges its client for that. O(log n). */
  takePiece(piece: WorkSize): T | undefined {
    const client = this.#order.peek();
    const node = client?.nodes.peek();
    if (client === undefined || node === undefined) return undefined;
    this.#charge(client, piece);
    node.size = subtractSize(node.size, piece);
    this.#size = subtractSize(this.#size, piece);
    this.#order.update(client);
    return node.item;
  }

  /** An item without a deadline lets those pass that have arrived up to now: its piece came back. O(log n). */
  standBack(item: T, nowMs: number): void {
    const node = this.#nodes.get(item);
    if (node === undefined || item.deadlineMs !== Infinity) return;
    const { patienceMs } = this.#bounds;
    node.orderMs = Math.min(nowMs, node.arrivedMs + patienceMs) + patienceMs;
    node.arrival = this.#arrivals++;
    node.client.nodes.update(node);
    this.#order.update(node.client);
  }

  /** Removes an item without charging its client; false when it does not wait here. O(log n). */
  remove(item: T): boolean {
    const node = this.#nodes.get(item);
    if (node === undefined) return false;
    const { client } = node;
    this.#nodes.delete(item);
    this.#deadlines.remove(node);
    if (client.nodes.size === 1) {
      this.#order.remove(client);
      client.nodes.remove(node);
      this.#lines.delete(client.name);
      this.#leave(client);
    } else {
      client.nodes.remove(node);
      client.bytes -= item.bytes;
      this.#order.update(client);
    }
    this.#bytes -= item.bytes;
    this.#size = subtractSize(this.#size, node.size);
    return true;
  }

  /** Removes and returns every item whose deadline is not after `nowMs`, earliest first. */
  takeExpired(nowMs: number): T[] {
    const expired: T[] = [];
    for (let node = this.#deadlines.peek(); node !== undefined; node = this.#deadlines.peek()) {
      if (node.item.deadlineMs > nowMs) break;
      this.remove(node.item);
      expired.push(node.item);
    }
    return expired;
  }

  /** Removes and returns everything, in no stated order. */
  takeAll(): T[] {
    const all = [...this.#nodes.keys()];
    for (const item of all) this.remove(item);
    return all;
  }

  #charge(client: ClientLine<T>, size: WorkSize): void {
    const round = this.#roundOf(client.charge);
    if (round > this.#round) this.#startRound(round);
    this.#takenInRound++;
    client.charge += costOf(size);
  }

  #roundOf(charge: number): number {
    return Math.floor(charge / this.#bounds.quantum);
  }

  #arrive(name: string): ClientLine<T> {
    const full = this.#takenInRound >= this.#bounds.maxItems;
    const fresh = (this.#round + (full ? 1 : 0)) * this.#bounds.quantum;
    const charge = Math.max(fresh, this.#absent.get(name) ?? 0);
    this.#absent.delete(name);
    const client: ClientLine<T> = { name, nodes: new IndexedHeap<Node<T>>(earlier), charge, bytes: 0 };
    this.#lines.set(name, client);
    return client;
  }

  #leave(client: ClientLine<T>): void {
    if (this.#lines.size === 0) {
      // nobody waits, so nobody was kept waiting: all start even
      this.#absent.clear();
      this.#round = 0;
      this.#takenInRound = 0;
      return;
    }
    if (client.charge <= this.#round * this.#bounds.quantum) return;
    this.#absent.set(client.name, client.charge);
    if (this.#absent.size > this.#bounds.maxItems) {
      const [oldest] = this.#absent.keys();
      this.#absent.delete(oldest!);
    }
  }

  #startRound(round: number): void {
    this.#round = round;
    this.#takenInRound = 0;
    for (const [name, charge] of this.#absent) {
      if (charge <= round * this.#bounds.quantum) this.#absent.delete(name);
    }
  }
}
