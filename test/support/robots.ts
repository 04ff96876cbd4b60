/** Robots before a proxy: each keeps a context for a few requests, takes the next, and tries again what a lost server lost. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EnergyClient } from '../../src/client/energy-client.js';
import { ClientContext } from '../../src/client/kept-context.js';
import { toFault } from '../../src/errors.js';
import { bundledRequests } from './load.js';

export interface RobotsOptions {
  readonly robots: number;
  /** Between two requests of a robot. */
  readonly periodMs: number;
  /** Requests on one context. */
  readonly requestsPerContext: number;
  /** Asked before each further context, with how many there were: a robot ends once it says so. */
  readonly over: (contexts: number) => boolean;
}

export interface Tally {
  readonly answered: number;
  /** Attempts beyond the first, after UNAVAILABLE. */
  readonly retried: number;
  /** Contexts that were kept and had to be sent again. */
  readonly resent: number;
  /** Requests without an answer after all attempts, by what the last one said. */
  readonly lost: readonly string[];
}

/** Scoring changes nothing on a server, so that what ended with its connection may be asked again. */
const ATTEMPTS = 5;
const BACKOFF_MS = 50;

export async function runRobots(
  clients: readonly EnergyClient[],
  { robots, periodMs, requestsPerContext, over }: RobotsOptions,
): Promise<Tally> {
  const requests = await bundledRequests(clients[0]!, 8);
  const tally = { answered: 0, retried: 0, resent: 0, lost: [] as string[] };
  let contexts = robots;

  const score = async (context: ClientContext, index: number): Promise<void> => {
    const before = context.id;
    for (let attempt = 1; ; attempt++) {
      try {
        await context.score({ candidates: requests.score(index).candidates! }, { timeoutMs: 10_000 });
        tally.answered++;
        if (before !== undefined && context.id !== before) tally.resent++;
        return;
      } catch (error) {
        const { kind, message } = toFault(error);
        if (kind !== 'unavailable' || attempt === ATTEMPTS) {
          tally.lost.push(message);
          return;
        }
        tally.retried++;
        await delay(BACKOFF_MS * 2 ** attempt);
      }
    }
  };
  const robot = async (number: number): Promise<void> => {
    const client = clients[number % clients.length]!;
    let context = new ClientContext(client, requests.context, { model: '', leaseMs: 10_000 });
    let dueMs = performance.now() + (periodMs * number) / robots;
    for (let index = 0; ; index++, dueMs += periodMs) {
      await delay(Math.max(0, dueMs - performance.now()));
      if (index > 0 && index % requestsPerContext === 0) {
        if (over(contexts)) return;
        contexts++;
        context = new ClientContext(client, requests.context, { model: '', leaseMs: 10_000 });
      }
      await score(context, index);
    }
  };
  await Promise.all(Array.from({ length: robots }, (_, number) => robot(number)));
  return tally;
}
