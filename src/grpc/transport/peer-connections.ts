/** One address may hold so many connections, so that it alone cannot keep the others out. */
import type { Socket } from 'node:net';

export class PeerConnections {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Counts the connection until it closes, or closes it at once. Unix sockets have no address: all of them are one peer. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#most) {
      socket.destroy();
      return;
    }
    this.#counts.set(address, count + 1);
    socket.once('close', () => {
      const left = this.#counts.get(address)! - 1;
      if (left > 0) this.#counts.set(address, left);
      else this.#counts.delete(address);
    });
  }
}
