/**
 * Buffers whose end is known are given back at that end, or used again. The garbage collector cannot tell a dead
 * ArrayBuffer from a live one without a full collection, and starts one when some tens of megabytes were allocated: several
 * a second when contexts of 5 MB come in, on the cores that the engine computes with (docs/decisions/0006-message-memory.md).
 */
import { MessageChannel } from 'node:worker_threads';

/** What is moved to a closed port is freed. */
const { port1: nowhere } = new MessageChannel();
nowhere.close();

/** Frees memory now. Views of it read as empty from here on. */
export function discard(buffers: Iterable<ArrayBuffer>): void {
  nowhere.postMessage(null, [...new Set(buffers)]);
}

/** Memory that runs of the engine use in turn, by name, as large as the largest needed it. */
export class Scratch {
  readonly #memory = new Map<string, ArrayBuffer>();

  /** `count` floats with any content, good until the same name is taken again. */
  floats(name: string, count: number): Float32Array {
    return new Float32Array(this.#take(name, count * Float32Array.BYTES_PER_ELEMENT), 0, count);
  }

  /** The same, holding NaN: what a run does not write is then met as a value that is not finite, never as an older one. */
  watched(name: string, count: number): Float32Array {
    return this.floats(name, count).fill(NaN);
  }

  /** `count` bytes with any content. */
  bytes(name: string, count: number): Uint8Array {
    return new Uint8Array(this.#take(name, count), 0, count);
  }

  #take(name: string, byteLength: number): ArrayBuffer {
    const held = this.#memory.get(name);
    if (held !== undefined && held.byteLength >= byteLength) return held;
    if (held !== undefined) discard([held]);
    const grown = new ArrayBuffer(byteLength);
    this.#memory.set(name, grown);
    return grown;
  }
}
